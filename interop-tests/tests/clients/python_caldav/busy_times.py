import session

calendar = session.calendar()


def add(uid, day, hours, **more):
    start = session.utc(2026, 5, day, hours[0])
    calendar.add_event(dtstart=start, dtend=start.replace(hour=hours[1]), summary=uid, uid=uid, **more)


add("one", 4, (8, 10))
add("overlapping", 4, (9, 11))
add("free", 5, (8, 10), transp="TRANSPARENT")
add("cancelled", 6, (8, 10), status="CANCELLED")
add("tentative", 7, (8, 10), status="TENTATIVE")
add("recurring", 8, (12, 13), rrule={"FREQ": "DAILY", "COUNT": 2})
add("outside", 20, (8, 10))

answer = calendar.freebusy_request(session.utc(2026, 5, 4), session.utc(2026, 5, 11))
(component,) = answer.get_icalendar_instance().subcomponents
assert component.name == "VFREEBUSY"
lines = component["FREEBUSY"]
lines = lines if isinstance(lines, list) else [lines]
told = []
for line in lines:
    kind = line.params.get("FBTYPE", "BUSY")
    periods = line if isinstance(line, list) else getattr(line, "dts", None) or [line]
    for period in periods:
        start, end = (period.dt if hasattr(period, "dt") else period)
        end = end if hasattr(end, "year") else start + end
        told.append((str(kind), start.strftime("%dT%H"), end.strftime("%dT%H")))
assert sorted(told) == [
    ("BUSY", "04T08", "04T11"),
    ("BUSY", "08T12", "08T13"),
    ("BUSY", "09T12", "09T13"),
    ("BUSY-TENTATIVE", "07T08", "07T10"),
], told
print("done")
