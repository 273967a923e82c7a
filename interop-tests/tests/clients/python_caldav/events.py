from caldav.lib import error

import session

calendar = session.calendar()
start, end = session.utc(2026, 5, 4, 10), session.utc(2026, 5, 4, 11)
lunch = calendar.add_event(dtstart=start, dtend=end, summary="Oběd s Adou", uid="lunch-1")
assert lunch.id == "lunch-1"

found = calendar.get_event_by_uid("lunch-1")
assert session.summaries([found]) == ["Oběd s Adou"]

with found.edit_icalendar_component() as component:
    component["SUMMARY"] = "Dinner with Ada"
    component["LOCATION"] = "Náměstí Míru 9, Praha 2"
found.save()
again = calendar.get_event_by_uid("lunch-1")
assert session.summaries([again]) == ["Dinner with Ada"]
assert str(again.get_icalendar_component()["LOCATION"]) == "Náměstí Míru 9, Praha 2"

# Without a name of its own, an event of the same UID replaces, never doubles.
try:
    calendar.add_event(dtstart=start, dtend=end, summary="Twin", uid="lunch-1")
except error.DAVError:
    pass
assert len(calendar.get_events()) == 1

for number in range(30):
    day = session.utc(2026, 6, 1 + number % 28, 8)
    calendar.add_event(dtstart=day, dtend=day.replace(hour=9), summary=f"Event {number}", uid=f"e-{number}")
assert len(calendar.get_events()) == 31
urls = [event.url for event in calendar.get_events()]
assert len(set(urls)) == 31

found = calendar.get_event_by_uid("e-7")
found.delete()
try:
    calendar.get_event_by_uid("e-7")
    raise SystemExit("a deleted event was found")
except error.NotFoundError:
    pass
assert len(calendar.get_events()) == 30

fetched = calendar.multiget([event.url for event in calendar.get_events()])
assert len(list(fetched)) == 30
print("done")
