//! CALDAV:calendar-data as a property of the members that a report finds (RFC 4791 §9.6).

use super::{time_range_xml, time_zone};
use crate::{
    collection::Collection,
    dav::{
        DavError,
        home::Home,
        xml::{CALDAV, DAV, Element},
    },
    snapshot::File,
    stored_object,
};
use bytes::Bytes;
use http::StatusCode;
use kalends_icalendar::{
    Budget, CalendarObject, ComponentSelection, Properties, PropertySelection, Selection, Zone,
};
use kalends_store::{ObjectId, Objects};
use std::{cell::RefCell, rc::Rc};

/// Components and properties that a selection names at most: each is looked for in every object.
const MAX_NAMES: usize = 500;

/// Work that the objects of one request may cost altogether. With this many steps, a fifth of a second, all
/// that clients ask for is done hundreds of times over.
pub(super) const STEPS: u64 = 200 * Budget::OBJECT;

/// Reads the `CALDAV:calendar-data` in the `DAV:prop` of a report; everything, if it is not there.
///
/// # Errors
/// 403 `CALDAV:supported-calendar-data` for another format than iCalendar 2.0, 400 for a selection that is
/// malformed.
pub(super) fn parse(report: &Element) -> Result<Selection, DavError> {
    let prop = report.element(DAV, "prop");
    let Some(element) = prop.and_then(|prop| prop.element(CALDAV, "calendar-data")) else {
        return Ok(Selection::default());
    };
    let content_type = element.attribute("content-type").unwrap_or("text/calendar").trim();
    let version = element.attribute("version").unwrap_or("2.0").trim();
    if !content_type.eq_ignore_ascii_case("text/calendar") || version != "2.0" {
        let reason = format!("calendar data is text/calendar, version 2.0; not {content_type} {version}");
        return Err(DavError::caldav(StatusCode::FORBIDDEN, "supported-calendar-data", reason));
    }
    let bad = |reason| DavError::new(StatusCode::BAD_REQUEST, format!("calendar-data: {reason}"));
    let range = |name| {
        let element = element.element(CALDAV, name);
        element.map(time_range_xml::parse_closed).transpose().map_err(bad)
    };
    let selection = Selection {
        component: match element.element(CALDAV, "comp") {
            Some(component) => Some(component_selection(component, &mut 0).map_err(bad)?),
            None => None,
        },
        expand: range("expand")?,
        limit_recurrence_set: range("limit-recurrence-set")?,
        limit_freebusy_set: range("limit-freebusy-set")?,
    };
    if selection.expand.is_some() && selection.limit_recurrence_set.is_some() {
        return Err(bad("expand and limit-recurrence-set exclude each other".into()));
    }
    match &selection.component {
        Some(component) if !component.name.eq_ignore_ascii_case("VCALENDAR") => {
            Err(bad("the outermost comp is VCALENDAR".into()))
        }
        _ => Ok(selection),
    }
}

/// A `comp` element. One without content selects everything: so RFC 4791 §7.8.1 uses it.
fn component_selection(element: &Element, names: &mut usize) -> Result<ComponentSelection, String> {
    let name = name_of(element, names)?;
    if element.elements().next().is_none() {
        return Ok(ComponentSelection { name, ..Default::default() });
    }
    let mut properties = Vec::new();
    for property in element.elements_named(CALDAV, "prop") {
        let novalue = match property.attribute("novalue") {
            None | Some("no") => false,
            Some("yes") => true,
            Some(other) => return Err(format!("novalue is yes or no, not {other:?}")),
        };
        properties.push(PropertySelection { name: name_of(property, names)?, novalue });
    }
    let mut components = Vec::new();
    for component in element.elements_named(CALDAV, "comp") {
        components.push(component_selection(component, names)?);
    }
    let all_properties = element.element(CALDAV, "allprop").is_some();
    let all_components = element.element(CALDAV, "allcomp").is_some();
    Ok(ComponentSelection {
        name,
        properties: if all_properties { Properties::All } else { Properties::Named(properties) },
        components: (!all_components).then_some(components),
    })
}

fn name_of(element: &Element, names: &mut usize) -> Result<String, String> {
    *names += 1;
    if *names > MAX_NAMES {
        return Err(format!("more than {MAX_NAMES} names"));
    }
    match element.attribute("name") {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(format!("a {} has a name", element.name.local())),
    }
}

/// The zones of one request's dates and floating times, and the work that its objects may cost.
pub(super) struct Reading {
    /// The zone that the request names.
    named: Option<Zone>,
    /// Zones of the collections met last.
    zones: RefCell<Vec<(Rc<Collection>, Zone)>>,
    budget: RefCell<Budget>,
}

impl Reading {
    /// For this report.
    ///
    /// # Errors
    /// Those of [`time_zone::of_request`].
    pub(super) fn of(report: &Element) -> Result<Rc<Self>, DavError> {
        Self::within(report, STEPS)
    }

    /// As [`of`](Self::of), with other work than [`STEPS`] to spend.
    pub(super) fn within(report: &Element, steps: u64) -> Result<Rc<Self>, DavError> {
        let named = time_zone::of_request(report)?;
        Ok(Rc::new(Self { named, zones: RefCell::default(), budget: RefCell::new(Budget::new(steps)) }))
    }

    /// The zone of the objects in a collection.
    pub(super) fn zone(&self, collection: &Rc<Collection>) -> Zone {
        if let Some(named) = &self.named {
            return named.clone();
        }
        let mut zones = self.zones.borrow_mut();
        if let Some((_, zone)) = zones.iter().find(|(known, _)| Rc::ptr_eq(known, collection)) {
            return zone.clone();
        }
        let zone = time_zone::of_collection(collection);
        if zones.len() >= 16 {
            zones.clear();
        }
        zones.push((collection.clone(), zone.clone()));
        zone
    }

    /// Does the work on one object, from the request's budget.
    pub(super) fn spend<T>(&self, work: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budget = self.budget.borrow_mut();
        let mut part = budget.part(Budget::OBJECT);
        let before = part.left();
        let result = work(&mut part);
        // What asks for more than there is has all of it. One step at least: an object is never free.
        let spent = if part.is_exceeded() { before } else { (before - part.left()).max(1) };
        let left = budget.left();
        budget.spend(spent.min(left));
        result
    }

    /// Whether nothing is left for further objects.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.borrow().left() == 0
    }
}

/// Gives the data of files as a request wants it.
pub(super) struct CalendarDataSource {
    home: Home,
    selection: Selection,
    reading: Rc<Reading>,
    /// The object that was parsed last: a query has just tested it.
    parsed: RefCell<Option<(ObjectId, CalendarObject)>>,
}

impl CalendarDataSource {
    /// For files of this home.
    pub(super) fn new(home: &Home, selection: Selection, reading: Rc<Reading>) -> Self {
        Self { home: home.clone(), selection, reading, parsed: RefCell::default() }
    }

    /// Hands over an object that was parsed already.
    pub(super) fn remember(&self, id: ObjectId, object: CalendarObject) {
        self.parsed.replace(Some((id, object)));
    }

    /// The data of a file.
    ///
    /// # Errors
    /// 403 `CALDAV:max-instances` when it cannot be expanded within bounds; 500 when it cannot be read.
    pub(super) fn of(&self, file: &File) -> Result<Bytes, DavError> {
        let mut parsed = self.parsed.borrow_mut();
        if let Some((id, object)) = parsed.take().filter(|(id, _)| *id == file.id) {
            let data = self.select(file, &object);
            *parsed = Some((id, object));
            return data;
        }
        let data = self.home.repository.object(&file.id)?.data;
        if self.selection.is_whole() {
            return Ok(data);
        }
        match stored_object::parse(data.clone()) {
            Ok(object) => self.select(file, &object),
            // Nothing can be selected from what is no iCalendar; clients get what is there.
            Err(_) => Ok(data),
        }
    }

    fn select(&self, file: &File, object: &CalendarObject) -> Result<Bytes, DavError> {
        if self.selection.is_whole() {
            return Ok(object.bytes().clone());
        }
        let zone = self.reading.zone(&file.parent.collection);
        let selected = self.reading.spend(|budget| self.selection.apply(object, &zone, budget));
        match selected {
            Ok(data) => Ok(data.into()),
            Err(error) => Err(DavError::caldav(StatusCode::FORBIDDEN, "max-instances", error.to_string())),
        }
    }
}
