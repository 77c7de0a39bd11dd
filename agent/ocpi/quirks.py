"""What a backend wants otherwise than its OCPI version says, by configuration."""

from __future__ import annotations

from enum import StrEnum


class Quirk(StrEnum):
    """One deviation each, found in servers that people really run."""

    #: Absent optional fields are demanded, as null.
    EXPLICIT_NULLS = "explicit-nulls"
    #: A 2.1.1 CDR has `end_date_time` in place of `stop_date_time`.
    CDR_END_DATE_TIME = "cdr-end-date-time"
    #: 2.1.1 with `authorization_id` in AuthorizationInfo, Session and CDR.
    AUTHORIZATION_ID = "authorization-id"
