import session

PRAGUE = """BEGIN:VTIMEZONE
TZID:Europe/Prague
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""


def event(uid, lines, more=""):
    return (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\n{PRAGUE}BEGIN:VEVENT\nUID:{uid}\n"
        f"DTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT\n{more}END:VCALENDAR\n"
    )


calendar = session.calendar()
calendar.add_event(event("once", "DTSTART:20260315T100000Z\nDTEND:20260315T110000Z\nSUMMARY:Once"))
calendar.add_event(
    event(
        "weekly",
        "DTSTART;TZID=Europe/Prague:20260302T090000\nDTEND;TZID=Europe/Prague:20260302T093000\n"
        "RRULE:FREQ=WEEKLY;COUNT=8\nEXDATE;TZID=Europe/Prague:20260316T090000\nSUMMARY:Weekly",
        "BEGIN:VEVENT\nUID:weekly\nDTSTAMP:20260101T000000Z\n"
        "RECURRENCE-ID;TZID=Europe/Prague:20260323T090000\nDTSTART;TZID=Europe/Prague:20260324T150000\n"
        "DTEND;TZID=Europe/Prague:20260324T153000\nSUMMARY:Moved\nEND:VEVENT\n",
    )
)
calendar.add_event(event("day", "DTSTART;VALUE=DATE:20260320\nDTEND;VALUE=DATE:20260321\nSUMMARY:Holiday"))
calendar.add_event(event("birthday", "DTSTART;VALUE=DATE:19801210\nRRULE:FREQ=YEARLY\nSUMMARY:Birthday"))

march = dict(start=session.utc(2026, 3, 1), end=session.utc(2026, 4, 1), event=True)
found = calendar.search(**march)
assert {str(item.get_icalendar_component()["UID"]) for item in found} == {"once", "weekly", "day"}, found

# The server's own expansion (RFC 4791 §9.6.5), not the library's.
found = calendar.search(**march, server_expand=True)
assert session.summaries(found) == ["Holiday", "Moved", "Once", "Weekly", "Weekly", "Weekly"], session.summaries(found)
starts = sorted(
    part["DTSTART"].dt.isoformat()
    for item in found
    for part in session.parts(item)
    if str(part["UID"]) == "weekly"
)
# 9:00 in Prague is 8:00 UTC, and 7:00 from 29 March on. On the 16th there is none, the 23rd is the 24th.
assert starts == [
    "2026-03-02T08:00:00+00:00",
    "2026-03-09T08:00:00+00:00",
    "2026-03-24T14:00:00+00:00",
    "2026-03-30T07:00:00+00:00",
], starts
for item in found:
    for part in session.parts(item):
        assert "RRULE" not in part

# The library's expansion of what the server sends agrees.
expanded = calendar.search(**march, expand=True)
assert session.summaries(expanded) == session.summaries(found), session.summaries(expanded)

# Of an exception in a far year, and of no event at all.
december = dict(start=session.utc(2050, 12, 10), end=session.utc(2050, 12, 11), event=True)
assert session.summaries(calendar.search(**december)) == ["Birthday"]
nothing = dict(start=session.utc(1970, 1, 1), end=session.utc(1970, 2, 1), event=True)
assert calendar.search(**nothing) == []

# Text: RFC 4791 §9.7.5, with and without regard to case.
assert session.summaries(calendar.search(event=True, summary="oliday")) == ["Holiday"]
assert calendar.search(event=True, summary="OLIDAY") == []
searcher = calendar.searcher(event=True)
searcher.add_property_filter("SUMMARY", "OLIDAY", case_sensitive=False)
assert session.summaries(searcher.search()) == ["Holiday"]
print("done")
