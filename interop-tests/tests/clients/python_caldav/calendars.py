from caldav.elements import dav, ical
from caldav.lib import error

import session

me = session.principal()
(first,) = me.get_calendars()
assert first.get_display_name() == "Calendar", first.get_display_name()
assert {"VEVENT", "VTODO", "VJOURNAL"} <= set(first.get_supported_components())

work = me.make_calendar(name="Práce & 仕事 <1>", cal_id="work")
assert len(me.get_calendars()) == 2
assert work.get_display_name() == "Práce & 仕事 <1>", work.get_display_name()

work.set_properties([dav.DisplayName("Work"), ical.CalendarColor("#FF8800FF")])
told = work.get_properties([dav.DisplayName(), ical.CalendarColor()])
assert told[dav.DisplayName.tag] == "Work", told
assert told[ical.CalendarColor.tag] == "#FF8800FF", told

tasks = me.make_calendar(name="Tasks", cal_id="tasks", supported_calendar_component_set=["VTODO"])
assert tasks.get_supported_components() == ["VTODO"], tasks.get_supported_components()
try:
    tasks.add_event(dtstart=session.utc(2026, 5, 1, 8), dtend=session.utc(2026, 5, 1, 9), summary="No task")
    raise SystemExit("a calendar of tasks took an event")
except (error.PutError, error.AuthorizationError):
    pass

try:
    me.make_calendar(name="Again", cal_id="work")
    raise SystemExit("a calendar was made where one is")
except (error.MkcalendarError, error.AuthorizationError):
    pass
assert work.get_display_name() == "Work"

work.delete()
tasks.delete()
assert [calendar.get_display_name() for calendar in me.get_calendars()] == ["Calendar"]
print("done")
