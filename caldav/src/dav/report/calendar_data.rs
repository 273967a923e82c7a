//! CALDAV:calendar-data as a property of the members that a report finds (RFC 4791 §9.6).

use crate::{
    dav::{
        DavError,
        home::Home,
        xml::{CALDAV, DAV, Element},
    },
    snapshot::File,
};
use http::StatusCode;
use kalends_store::Objects;

/// How the data of the members is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CalendarDataRequest {}

impl CalendarDataRequest {
    /// Reads the `CALDAV:calendar-data` in the `DAV:prop` of a report, if it is there.
    ///
    /// # Errors
    /// 403 `CALDAV:supported-calendar-data` for another format than iCalendar 2.0.
    pub(super) fn parse(report: &Element) -> Result<Option<Self>, DavError> {
        let Some(element) =
            report.element(DAV, "prop").and_then(|prop| prop.element(CALDAV, "calendar-data"))
        else {
            return Ok(None);
        };
        let content_type = element.attribute("content-type").unwrap_or("text/calendar").trim();
        let version = element.attribute("version").unwrap_or("2.0").trim();
        if !content_type.eq_ignore_ascii_case("text/calendar") || version != "2.0" {
            let reason = format!("calendar data is text/calendar, version 2.0; not {content_type} {version}");
            return Err(DavError::caldav(StatusCode::FORBIDDEN, "supported-calendar-data", reason));
        }
        Ok(Some(Self {}))
    }

    /// Gives the data of files of this home.
    pub(super) fn source(self, home: &Home, _floating: Option<()>) -> Result<CalendarDataSource, DavError> {
        Ok(CalendarDataSource { home: home.clone() })
    }
}

/// Gives the data of files.
pub(super) struct CalendarDataSource {
    home: Home,
}

impl CalendarDataSource {
    /// The data of a file as it is wanted.
    pub(super) fn of(&self, file: &File) -> Result<String, DavError> {
        let data = self.home.repository.object(&file.id)?.data;
        Ok(String::from_utf8_lossy(&data).into_owned())
    }
}
