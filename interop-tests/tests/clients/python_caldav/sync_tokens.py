from caldav.lib import error

import session

calendar = session.calendar()


def add(uid, hour=8):
    start = session.utc(2026, 5, 4, hour)
    return calendar.add_event(dtstart=start, dtend=start.replace(minute=30), summary=uid, uid=uid)


def changes(token):
    answer = calendar.get_objects_by_sync_token(token, load_objects=True, disable_fallback=True)
    names = sorted(str(item.url).rsplit("/", 1)[1] for item in answer)
    return answer.sync_token, names


for number in range(10):
    add(f"e{number}")
token, names = changes(None)
assert len(names) == 10, names

same, names = changes(token)
assert names == [], names

add("e10")
calendar.get_event_by_uid("e3").delete()
changed = calendar.get_event_by_uid("e4")
with changed.edit_icalendar_component() as component:
    component["SUMMARY"] = "Changed"
changed.save()
newer, names = changes(token)
assert names == ["e10.ics", "e3.ics", "e4.ics"], names
assert newer != token

# What came and went in between is not told of, or told as gone.
add("brief").delete()
_, names = changes(newer)
assert names in ([], ["brief.ics"]), names

# An old token still tells the whole difference.
_, names = changes(token)
assert set(names) - {"brief.ics"} == {"e10.ics", "e3.ics", "e4.ics"}, names

# The library's own cycle.
known = calendar.get_objects_by_sync_token(load_objects=True, disable_fallback=True)
add("e11")
calendar.get_event_by_uid("e5").delete()
updated, deleted = known.sync()
assert [str(item.url).rsplit("/", 1)[1] for item in updated] == ["e11.ics"], updated
assert [str(item.url).rsplit("/", 1)[1] for item in deleted] == ["e5.ics"], deleted

# A token that the server did not give, or gave for another calendar.
other = session.principal().make_calendar(name="Other", cal_id="other")
foreign = other.get_objects_by_sync_token(disable_fallback=True).sync_token
for bad in ["http://example.org/no-token", "x", foreign]:
    try:
        calendar.get_objects_by_sync_token(bad, disable_fallback=True)
        raise SystemExit(f"the token {bad!r} was taken")
    except error.DAVError:
        pass
print("done")
