//! Queries over calendar objects as CalDAV reports make them: occurrences, filters, selections, free-busy
//! time and the summaries of an index.

mod expansion;
mod filters;
mod free_busy;
mod hostile;
mod occurrence_sets;
mod oracles;
mod rfc4791_examples;
mod rfc5545_rules;
mod summaries;
mod support;
mod time_range_tables;
