//! CALDAV:filter (RFC 4791 §9.7): from XML to the filter that objects are tested with.
//!
//! What is not understood is refused, never passed over: a client that gets too much may believe that it is
//! what it asked for.

use super::time_range_xml;
use crate::dav::{
    DavError,
    xml::{CALDAV, Element},
};
use http::StatusCode;
use kalends_icalendar::{
    Collation, ComponentFilter, ParameterFilter, ParameterTest, PropertyFilter, TextMatch, TimeRange,
};

/// Tests that a filter has at most: each is tried on every object.
const MAX_TESTS: usize = 200;
/// Bytes of a text to search for.
const MAX_TEXT: usize = 4096;

/// Components that RFC 4791 §9.9 says when they overlap a time range.
const TIMED_COMPONENTS: [&str; 5] = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM"];
/// Properties of RFC 5545, 7986 and 9074 that are times.
const TIMED_PROPERTIES: [&str; 12] = [
    "ACKNOWLEDGED",
    "COMPLETED",
    "CREATED",
    "DTEND",
    "DTSTAMP",
    "DTSTART",
    "DUE",
    "EXDATE",
    "LAST-MODIFIED",
    "RDATE",
    "RECURRENCE-ID",
    "TRIGGER",
];

/// Reads the `CALDAV:filter` of a report.
///
/// # Errors
/// 403 with `CALDAV:valid-filter` for what makes no sense, `CALDAV:supported-filter` for what is not known,
/// `CALDAV:supported-collation`.
pub(super) fn parse(report: &Element) -> Result<ComponentFilter, DavError> {
    let filter = report.element(CALDAV, "filter").ok_or_else(|| invalid("there is no filter".into()))?;
    let mut tests = 0;
    let mut elements = filter.elements();
    match (elements.next(), elements.next()) {
        (Some(only), None) if only.is(CALDAV, "comp-filter") => {
            let filter = component_filter(only, None, &mut tests)?;
            if !filter.name.eq_ignore_ascii_case("VCALENDAR") {
                let reason = format!("the outermost comp-filter is for VCALENDAR, not {:?}", filter.name);
                return Err(invalid(reason));
            }
            Ok(filter)
        }
        _ => Err(invalid("a filter holds one comp-filter, for VCALENDAR".into())),
    }
}

fn invalid(reason: String) -> DavError {
    DavError::caldav(StatusCode::FORBIDDEN, "valid-filter", reason)
}

/// An element that has no meaning here.
fn unsupported(element: &Element, parent: &Element) -> DavError {
    let reason = format!("{} in {} is not supported", element.name.local(), parent.name.local());
    DavError::caldav(StatusCode::FORBIDDEN, "supported-filter", reason)
}

fn name_of(element: &Element, tests: &mut usize) -> Result<String, DavError> {
    *tests += 1;
    if *tests > MAX_TESTS {
        let reason = format!("a filter has at most {MAX_TESTS} tests");
        return Err(DavError::caldav(StatusCode::FORBIDDEN, "supported-filter", reason));
    }
    match element.attribute("name") {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(invalid(format!("a {} has a name", element.name.local()))),
    }
}

/// Whether the component is one that the other may hold. Components that RFC 5545 does not know may be
/// anywhere.
fn may_nest(name: &str, parent: Option<&str>) -> bool {
    let is = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let parents: &[&str] = if is(&["VCALENDAR"], name) {
        return parent.is_none();
    } else if is(&["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"], name) {
        &["VCALENDAR"]
    } else if is(&["VALARM"], name) {
        &["VEVENT", "VTODO"]
    } else if is(&["STANDARD", "DAYLIGHT"], name) {
        &["VTIMEZONE"]
    } else {
        return parent.is_some();
    };
    parent.is_some_and(|parent| is(parents, parent))
}

fn component_filter(
    element: &Element,
    parent: Option<&str>,
    tests: &mut usize,
) -> Result<ComponentFilter, DavError> {
    let name = name_of(element, tests)?;
    if !may_nest(&name, parent) {
        return Err(invalid(match parent {
            Some(parent) => format!("there is no {name} in a {parent}"),
            None => format!("the outermost comp-filter is for VCALENDAR, not {name:?}"),
        }));
    }
    let mut filter = ComponentFilter { not_defined: not_defined(element)?, name, ..Default::default() };
    for child in element.elements() {
        match child.name.local() {
            _ if child.name.namespace() != CALDAV => return Err(unsupported(child, element)),
            "is-not-defined" | "is-defined" => {}
            "time-range" => {
                let has_times = TIMED_COMPONENTS.iter().any(|name| name.eq_ignore_ascii_case(&filter.name));
                set_time_range(&mut filter.time_range, child, &filter.name, has_times)?;
            }
            "prop-filter" => filter.properties.push(property_filter(child, tests)?),
            "comp-filter" => {
                filter.components.push(component_filter(child, Some(&filter.name), tests)?);
            }
            _ => return Err(unsupported(child, element)),
        }
    }
    Ok(filter)
}

/// Whether the filter is for what is not there. `CALDAV:is-defined`, of a draft of RFC 4791, is what a
/// filter without it says too.
fn not_defined(element: &Element) -> Result<bool, DavError> {
    let not_defined = element.element(CALDAV, "is-not-defined").is_some();
    if not_defined && element.elements().count() > 1 {
        return Err(invalid(format!("is-not-defined is alone in its {}", element.name.local())));
    }
    Ok(not_defined)
}

fn set_time_range(
    range: &mut Option<TimeRange>,
    element: &Element,
    name: &str,
    has_times: bool,
) -> Result<(), DavError> {
    if !has_times {
        return Err(invalid(format!("{name} has no time, so it cannot overlap a time-range")));
    }
    if range.replace(time_range_xml::parse(element).map_err(invalid)?).is_some() {
        return Err(invalid(format!("the filter on {name} has two time-ranges")));
    }
    Ok(())
}

fn property_filter(element: &Element, tests: &mut usize) -> Result<PropertyFilter, DavError> {
    let name = name_of(element, tests)?;
    let mut filter = PropertyFilter { not_defined: not_defined(element)?, name, ..Default::default() };
    for child in element.elements() {
        match child.name.local() {
            _ if child.name.namespace() != CALDAV => return Err(unsupported(child, element)),
            "is-not-defined" | "is-defined" => {}
            "time-range" => {
                let upper = filter.name.to_ascii_uppercase();
                let has_time = TIMED_PROPERTIES.contains(&upper.as_str()) || upper.starts_with("X-");
                set_time_range(&mut filter.time_range, child, &filter.name, has_time)?;
            }
            "text-match" => {
                if filter.text_match.replace(text_match(child)?).is_some() {
                    return Err(invalid(format!("the filter on {} has two text-matches", filter.name)));
                }
            }
            "param-filter" => filter.parameters.push(parameter_filter(child, tests)?),
            _ => return Err(unsupported(child, element)),
        }
    }
    if filter.time_range.is_some() && filter.text_match.is_some() {
        return Err(invalid(format!("the filter on {} has a time-range and a text-match", filter.name)));
    }
    Ok(filter)
}

fn parameter_filter(element: &Element, tests: &mut usize) -> Result<ParameterFilter, DavError> {
    let name = name_of(element, tests)?;
    let mut elements = element.elements();
    let test = match (elements.next(), elements.next()) {
        (None, _) => ParameterTest::Defined,
        (Some(_), Some(_)) => return Err(invalid(format!("the filter on {name} has two tests"))),
        (Some(only), None) if only.is(CALDAV, "is-not-defined") => ParameterTest::NotDefined,
        (Some(only), None) if only.is(CALDAV, "is-defined") => ParameterTest::Defined,
        (Some(only), None) if only.is(CALDAV, "text-match") => ParameterTest::Text(text_match(only)?),
        (Some(only), None) => return Err(unsupported(only, element)),
    };
    Ok(ParameterFilter { name, test })
}

fn text_match(element: &Element) -> Result<TextMatch, DavError> {
    let collation = match element.attribute("collation") {
        None => Collation::default(),
        Some(name) => Collation::named(name).ok_or_else(|| {
            let known = Collation::ALL.map(Collation::name).join(", ");
            let reason = format!("the collation {name:?} is not one of {known}");
            DavError::caldav(StatusCode::FORBIDDEN, "supported-collation", reason)
        })?,
    };
    let negate = match element.attribute("negate-condition") {
        None | Some("no") => false,
        Some("yes") => true,
        Some(other) => return Err(invalid(format!("negate-condition is yes or no, not {other:?}"))),
    };
    let text = element.text().into_owned();
    if text.len() > MAX_TEXT {
        let reason = format!("a text to search for has at most {MAX_TEXT} bytes");
        return Err(DavError::caldav(StatusCode::FORBIDDEN, "supported-filter", reason));
    }
    Ok(TextMatch { text, collation, negate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dav::xml;

    fn filter(content: &str) -> Result<ComponentFilter, DavError> {
        let text = format!("<q xmlns='{CALDAV}'><filter>{content}</filter></q>");
        parse(&xml::parse(text.as_bytes()).unwrap())
    }

    fn refused(content: &str) -> &'static str {
        filter(content).unwrap_err().condition.unwrap().name
    }

    fn on_event(content: &str) -> String {
        format!(
            "<comp-filter name='VCALENDAR'><comp-filter name='VEVENT'>{content}</comp-filter></comp-filter>"
        )
    }

    #[test]
    fn every_kind_of_test_is_read() {
        let read = filter(&on_event(
            "<time-range start='20260101T000000Z'/>
             <prop-filter name='ATTENDEE'>
               <text-match collation='i;octet' negate-condition='yes'> mailto:a </text-match>
               <param-filter name='PARTSTAT'><text-match>NEEDS</text-match></param-filter>
               <param-filter name='ROLE'><is-not-defined/></param-filter>
               <param-filter name='CN'/>
             </prop-filter>
             <prop-filter name='DTEND'><time-range end='20260101T000000Z'/></prop-filter>
             <comp-filter name='VALARM'><is-not-defined/></comp-filter>",
        ))
        .unwrap();
        let event = &read.components[0];
        assert_eq!(event.time_range, Some(TimeRange { start: Some(1_767_225_600), end: None }));
        let attendee = &event.properties[0];
        let expected = TextMatch { text: " mailto:a ".into(), collation: Collation::Octet, negate: true };
        assert_eq!(attendee.text_match, Some(expected));
        assert!(matches!(attendee.parameters[0].test, ParameterTest::Text(_)));
        assert_eq!(attendee.parameters[1].test, ParameterTest::NotDefined);
        assert_eq!(attendee.parameters[2].test, ParameterTest::Defined);
        assert!(event.properties[1].time_range.is_some());
        assert!(event.components[0].not_defined);
    }

    #[test]
    fn what_makes_no_sense_is_no_valid_filter() {
        for content in [
            String::new(),
            "<comp-filter/>".into(),
            "<comp-filter name='VEVENT'/>".into(),
            "<comp-filter name='VCALENDAR'/><comp-filter name='VCALENDAR'/>".into(),
            "<comp-filter name='VCALENDAR'><comp-filter name='VCALENDAR'/></comp-filter>".into(),
            "<comp-filter name='VCALENDAR'><time-range start='20260101T000000Z'/></comp-filter>".into(),
            "<comp-filter name='VCALENDAR'><comp-filter name='VALARM'/></comp-filter>".into(),
            on_event("<comp-filter name='VTODO'/>"),
            on_event("<time-range/>"),
            on_event("<time-range start='20260101'/>"),
            on_event("<time-range start='20260101T000000'/>"),
            on_event("<time-range start='20260101T000000Z' end='20260101T000000Z'/>"),
            on_event("<time-range start='20260101T000000Z'/><time-range start='20260101T000000Z'/>"),
            on_event("<is-not-defined/><prop-filter name='UID'/>"),
            on_event("<prop-filter/>"),
            on_event("<prop-filter name='SUMMARY'><time-range start='20260101T000000Z'/></prop-filter>"),
            on_event(
                "<prop-filter name='UID'><text-match>a</text-match><text-match>b</text-match></prop-filter>",
            ),
            on_event("<prop-filter name='UID'><text-match negate-condition='1'>a</text-match></prop-filter>"),
        ] {
            assert_eq!(refused(&content), "valid-filter", "{content}");
        }
        let none = xml::parse(format!("<q xmlns='{CALDAV}'/>").as_bytes()).unwrap();
        assert_eq!(parse(&none).unwrap_err().condition.unwrap().name, "valid-filter");
    }

    #[test]
    fn what_is_not_known_is_not_supported() {
        assert_eq!(refused(&on_event("<near/>")), "supported-filter");
        assert_eq!(refused(&on_event("<comp-filter xmlns='urn:x' name='VALARM'/>")), "supported-filter");
        assert_eq!(refused(&on_event("<prop-filter name='UID'><near/></prop-filter>")), "supported-filter");
        assert_eq!(
            refused(&on_event(
                "<prop-filter name='UID'><param-filter name='X'><x/></param-filter></prop-filter>"
            )),
            "supported-filter"
        );
        let many = on_event(&"<prop-filter name='UID'/>".repeat(MAX_TESTS));
        assert_eq!(refused(&many), "supported-filter");
        let text = "<text-match collation='i;basic'>a</text-match>";
        let content = on_event(&format!("<prop-filter name='UID'>{text}</prop-filter>"));
        assert_eq!(refused(&content), "supported-collation");
        let long = on_event(&format!(
            "<prop-filter name='UID'><text-match>{}</text-match></prop-filter>",
            "a".repeat(MAX_TEXT + 1)
        ));
        assert_eq!(refused(&long), "supported-filter");
    }
}
