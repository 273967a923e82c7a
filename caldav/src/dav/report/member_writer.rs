//! Writing the members that a report tells of.

use super::{
    Call,
    calendar_data::{self, CalendarDataSource, Reading},
};
use crate::{
    Service,
    dav::{
        DavError,
        home::Home,
        location::HomePath,
        properties::{Context, PropertyRequest, ResponseWriter, Subject},
        xml::{DAV, Element},
    },
    realm::User,
    snapshot::{Directory, File, Node},
};
use kalends_icalendar::CalendarObject;
use kalends_store::TreeEntry;
use std::rc::Rc;

/// Writes the properties that a report asks for, `CALDAV:calendar-data` among them.
pub(super) struct MemberWriter {
    service: Service,
    user: User,
    home: Home,
    writer: ResponseWriter,
    source: CalendarDataSource,
    /// The file at hand; kept from one to the next for its memory.
    file: Option<File>,
}

impl MemberWriter {
    /// For members of this home.
    ///
    /// # Errors
    /// 400 for a request for properties that is malformed, 403 for calendar data that is not to be had.
    pub(super) fn new(call: &Call, home: &Home, reading: &Rc<Reading>) -> Result<Self, DavError> {
        let selection = calendar_data::parse(&call.body)?;
        Ok(Self {
            service: call.service.clone(),
            user: call.user.clone(),
            home: home.clone(),
            writer: ResponseWriter::new(properties_of(&call.body)?.preferring(call.preferences)),
            source: CalendarDataSource::new(home, selection, reading.clone()),
            file: None,
        })
    }

    /// Appends the `D:response` of a file.
    pub(super) fn write_file(&mut self, out: &mut String, href: &str, file: &File) {
        let home = self.home.clone();
        self.write(out, href, Subject::File { home: &home, file });
    }

    /// Appends the `D:response` of a file that is this entry of a directory.
    pub(super) fn write_entry(
        &mut self,
        out: &mut String,
        href: &str,
        directory: &Rc<Directory>,
        entry: TreeEntry<'_>,
    ) {
        let (id, kind) = (entry.id.to_owned(), entry.mode.kind());
        let file = match self.file.take() {
            Some(mut file) => {
                (file.id, file.kind) = (id, kind);
                file.name.clear();
                file.name.extend_from_slice(entry.name);
                if !Rc::ptr_eq(&file.parent, directory) {
                    file.parent = directory.clone();
                }
                file
            }
            None => File { id, kind, name: entry.name.to_vec(), parent: directory.clone() },
        };
        self.write_file(out, href, &file);
        self.file = Some(file);
    }

    /// As [`write_file`](Self::write_file), for a file that was parsed already.
    pub(super) fn write_parsed(&mut self, out: &mut String, href: &str, file: &File, object: CalendarObject) {
        self.source.remember(file.id, object);
        self.write_file(out, href, file);
    }

    /// Appends the `D:response` of whatever is at `path`.
    pub(super) fn write_node(&mut self, out: &mut String, path: &HomePath, node: &Node) {
        let home = self.home.clone();
        let subject = match node {
            Node::Directory(directory) => Subject::Collection { home: &home, path, directory },
            Node::File(file) => Subject::File { home: &home, file },
        };
        self.write(out, &path.href(), subject);
    }

    fn write(&mut self, out: &mut String, href: &str, subject: Subject<'_>) {
        let Self { service, user, writer, source, .. } = self;
        let calendar_data = |file: &File| source.of(file);
        let context = Context { service, user, calendar_data: Some(&calendar_data) };
        writer.write(out, &context, href, subject);
    }
}

/// The properties that a report asks for: none, if it asks for none (RFC 4791 §9.5).
fn properties_of(report: &Element) -> Result<PropertyRequest, DavError> {
    let asks = ["prop", "allprop", "propname"].iter().any(|name| report.element(DAV, name).is_some());
    if asks { PropertyRequest::parse(report) } else { PropertyRequest::listed(Vec::new()) }
}
