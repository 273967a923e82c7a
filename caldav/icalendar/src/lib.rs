//! iCalendar (RFC 5545) as a calendar server needs it.

mod check;
pub mod civil;
mod error;
mod kind;
mod lexer;
mod object;
mod rule;
mod rule_times;
pub mod text;
pub mod value;
mod vtimezone;
mod windows_zones;
mod zone;

pub use check::Identity;
pub use error::{Precondition, Violation};
pub use kind::ComponentKind;
pub use object::{CalendarObject, Component, Limits, Parameter, Property};
pub use rule::{Frequency, Rule, RuleError};
pub use rule_times::Budget;
pub use zone::{Zone, Zones};
