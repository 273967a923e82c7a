from datetime import date

import session

calendar = session.calendar()
calendar.add_todo(summary="Buy milk", due=session.utc(2026, 5, 5, 17), uid="milk", priority=3)
calendar.add_todo(summary="Call Božena", uid="call")
calendar.add_todo(summary="File taxes", due=session.utc(2026, 4, 1), uid="taxes", status="COMPLETED")
calendar.add_journal(summary="Today", dtstart=date(2026, 5, 4), description="Pršelo.\nA lot.", uid="today")
calendar.add_event(dtstart=session.utc(2026, 5, 5, 8), dtend=session.utc(2026, 5, 5, 9), summary="Event")

assert session.summaries(calendar.get_todos()) == ["Buy milk", "Call Božena"]
assert session.summaries(calendar.get_todos(include_completed=True)) == ["Buy milk", "Call Božena", "File taxes"]
assert session.summaries(calendar.get_journals()) == ["Today"]
assert session.summaries(calendar.get_events()) == ["Event"]
assert str(calendar.get_journal_by_uid("today").get_icalendar_component()["DESCRIPTION"]) == "Pršelo.\nA lot."

milk = calendar.get_todo_by_uid("milk")
milk.complete()
assert session.summaries(calendar.get_todos()) == ["Call Božena"]
milk.uncomplete()
assert session.summaries(calendar.get_todos()) == ["Buy milk", "Call Božena"]

# By time: RFC 4791 §9.9; a task without any date overlaps every time.
may = dict(start=session.utc(2026, 5, 1), end=session.utc(2026, 6, 1), todo=True, include_completed=True)
assert session.summaries(calendar.search(**may)) == ["Buy milk", "Call Božena"]
print("done")
