/* A reader driver for pcscd with one ACR122U and no card, for tests of escapes.

   DEVICENAME is FILE:CODES. Each command that comes as an escape is a line of hex in
   FILE. CODES says what the driver is like, by the sources of real ones:
   "allowed": libccid with escapes switched on, "refused": with escapes switched off,
   "open": libacsccid. */

#include <ifdhandler.h>
#include <reader.h>
#include <stdio.h>
#include <string.h>

#define VENDOR_IFD_EXCHANGE SCARD_CTL_CODE(1)
#define CCID_ESCAPE SCARD_CTL_CODE(3500)

static char file[1024];
static DWORD offered; /* The code that is told, 0 for none */
static int is_open;

static DWORD add_feature(PUCHAR at, UCHAR tag, DWORD code) {
  UCHAR feature[] = {tag, 4, code >> 24, code >> 16, code >> 8, code};
  memcpy(at, feature, sizeof feature);
  return sizeof feature;
}

static void note(PUCHAR command, DWORD length) {
  FILE *out = fopen(file, "a");
  for (DWORD i = 0; i < length; i++) fprintf(out, "%02X", command[i]);
  fputc('\n', out);
  fclose(out);
}

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name) {
  (void)lun;
  char *codes = strrchr(name, ':');
  if (!codes) return IFD_COMMUNICATION_ERROR;
  snprintf(file, sizeof file, "%.*s", (int)(codes - name), name);
  is_open = !strcmp(codes, ":open");
  offered = is_open ? CCID_ESCAPE : strcmp(codes, ":allowed") ? 0 : VENDOR_IFD_EXCHANGE;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR tx, DWORD tx_length, PUCHAR rx,
                         DWORD rx_length, LPDWORD returned) {
  (void)lun;
  *returned = 0;
  if (code == CM_IOCTL_GET_FEATURE_REQUEST) {
    if (rx_length < 12) return IFD_ERROR_INSUFFICIENT_BUFFER;
    *returned = add_feature(rx, FEATURE_GET_TLV_PROPERTIES, SCARD_CTL_CODE(0x330012));
    if (offered)
      *returned += add_feature(rx + *returned, FEATURE_CCID_ESC_COMMAND, offered);
    return IFD_SUCCESS;
  }
  if (code == VENDOR_IFD_EXCHANGE && offered != code) return IFD_COMMUNICATION_ERROR;
  if (code != VENDOR_IFD_EXCHANGE && !(code == CCID_ESCAPE && is_open))
    return IFD_ERROR_NOT_SUPPORTED;
  note(tx, tx_length);
  rx[0] = 0x90; /* And the state of the LEDs */
  rx[1] = tx[3] & 0x03;
  *returned = 2;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHICCPresence(DWORD lun) {
  (void)lun;
  return IFD_ICC_NOT_PRESENT;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value) {
  (void)lun;
  if (tag != TAG_IFD_SLOTS_NUMBER || *length < 1) return IFD_ERROR_TAG;
  *length = 1;
  *value = 1;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel) {
  (void)lun, (void)channel;
  return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHCloseChannel(DWORD lun) {
  (void)lun;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value) {
  (void)lun, (void)tag, (void)length, (void)value;
  return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags,
                                       UCHAR pts1, UCHAR pts2, UCHAR pts3) {
  (void)lun, (void)protocol, (void)flags, (void)pts1, (void)pts2, (void)pts3;
  return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length) {
  (void)lun, (void)action, (void)atr;
  *length = 0;
  return IFD_SUCCESS;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER send, PUCHAR tx,
                               DWORD tx_length, PUCHAR rx, PDWORD rx_length,
                               PSCARD_IO_HEADER receive) {
  (void)lun, (void)send, (void)tx, (void)tx_length, (void)rx, (void)receive;
  *rx_length = 0;
  return IFD_COMMUNICATION_ERROR;
}
