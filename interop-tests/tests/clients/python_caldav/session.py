"""Signs in: SCRIPT URL USER PASSWORD CERTIFICATE."""

import sys
from datetime import datetime, timezone

import caldav


def principal():
    url, user, password, certificate = sys.argv[1:5]
    client = caldav.DAVClient(url=url, username=user, password=password, ssl_verify_cert=certificate)
    return client.principal()


def calendar():
    """The calendar that every user has from the start."""
    (first,) = principal().get_calendars()
    return first


def utc(*moment):
    return datetime(*moment, tzinfo=timezone.utc)


def summaries(objects):
    return sorted(str(part["SUMMARY"]) for found in objects for part in parts(found))


def parts(found):
    return [part for part in found.get_icalendar_instance().subcomponents if part.name != "VTIMEZONE"]
