"""The words of the configuration file: what a value may be, and how to say so."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from agent.domain.transforms import UidTransform

CountryCode = Annotated[
    str, Meta(pattern="^[A-Z]{2}\\Z", description='two capital letters, like "SE"')
]
Alpha3 = Annotated[
    str, Meta(pattern="^[A-Z]{3}\\Z", description='three capital letters, like "SWE"')
]
PartyId = Annotated[
    str,
    Meta(pattern="^[A-Z0-9]{3}\\Z", description='three capitals or digits, like "ABC"'),
]
#: A party as people write it; empty for none.
PartyName = Annotated[
    str,
    Meta(
        pattern=r"^([A-Z]{2}\*[A-Z0-9]{3})?\Z",
        description='country_code and party_id, like "SE*ABC"',
    ),
]
OcpiId = Annotated[
    str,
    Meta(pattern="^[!-~]{1,36}\\Z", description="1 to 36 printable ASCII characters"),
]
EvseId = Annotated[
    str,
    Meta(pattern="^[!-~]{1,48}\\Z", description="1 to 48 printable ASCII characters"),
]
MeterId = Annotated[
    str, Meta(pattern=r"^[!-~]{1,255}\Z", description="1 to 255 printable characters")
]
GroupId = Annotated[
    str, Meta(pattern=r"^[!-~]{0,36}\Z", description="an OCPI group_id")
]
Text45 = Annotated[
    str, Meta(min_length=1, max_length=45, description="1 to 45 characters")
]
Text100 = Annotated[str, Meta(max_length=100, description="at most 100 characters")]
Name = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9-]{0,31}\\Z",
        description='a name of small letters, digits and dashes, like "front"',
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/]+(/\S*)?\Z",
        max_length=255,
        description='a URL, like "https://backend.example/ocpi/versions"',
        extra={"url": True},
    ),
]
#: Not shown if it is wrong, since people put a password there.
ProxyUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/@]+/?\Z",
        description='a URL without a password, like "http://proxy.example:3128"',
        extra={"url": True, "secret": True},
    ),
]
Listen = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}\Z",
        description='an address and a port, like "127.0.0.1:8090"',
        extra={"url": True},
    ),
]
Currency = Annotated[
    str, Meta(pattern="^[A-Z]{3}\\Z", description='an ISO 4217 code, like "EUR"')
]
Latitude = Annotated[
    str,
    Meta(
        pattern=r"^-?([0-8]?[0-9]\.[0-9]{5,7}|90\.0{5,7})\Z",
        max_length=10,
        description='degrees with 5 to 7 decimals, like "59.329323"',
    ),
]
Longitude = Annotated[
    str,
    Meta(
        pattern=r"^-?((1[0-7]|[0-9])?[0-9]\.[0-9]{5,7}|180\.0{5,7})\Z",
        max_length=11,
        description='degrees with 5 to 7 decimals, like "18.068581"',
    ),
]
#: Money in minor units, or a percentage; never a binary fraction.
Amount = Annotated[
    Decimal,
    Meta(description='a number as text, like "39.5"', extra={"amount": True}),
]
Watts = Annotated[int, Meta(ge=1000, description="a whole number of watts from 1000")]
Percent = Annotated[
    int, Meta(ge=0, le=100, description="a whole number of percent from 0 to 100")
]
#: A length of time that may be zero; all others must be longer.
MayBeZero = Annotated[timedelta, Meta(extra={"may_be_zero": True})]
Charger = Annotated[
    dict[str, Any], Meta(description='a table such as { driver = "simulated", … }')
]
Meter = Annotated[
    dict[str, Any], Meta(description='a table such as { driver = "modbus", … }')
]
Indicator = Annotated[
    dict[str, Any], Meta(description='a table such as { driver = "none" }')
]
Transform = Annotated[
    UidTransform,
    Meta(
        description="a table of strip, decimal_bytes, reverse, cut, keep, pad and "
        "technology, such as { reverse = true }"
    ),
]
#: Never shown, since people put the secret itself there.
Secret = Annotated[
    dict[str, Any],
    Meta(
        description='{ file = "…" } or { credential = "…" }; the secret itself is '
        "never written here",
        extra={"secret": True},
    ),
]
