//! The frame of every page.

use crate::{ResponseBody, dav::xml_writer, empty, full};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

const STYLE: &str = include_str!("style.css");

/// Nothing but this page's own style may be loaded, run or framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page as it grows.
pub(super) struct Page {
    title: String,
    body: String,
}

impl Page {
    /// An empty page.
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.into(), body: String::new() }
    }

    /// A heading below the title.
    pub(super) fn heading(&mut self, text: &str) {
        self.tagged("h2", text);
    }

    /// A paragraph of plain text.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.tagged("p", text);
    }

    /// Text that somebody wrote over several lines.
    pub(super) fn note(&mut self, text: &str) {
        self.body.push_str("<p class=\"note\">");
        xml_writer::text(&mut self.body, text.trim());
        self.body.push_str("</p>\n");
    }

    /// Something to copy.
    pub(super) fn code(&mut self, text: &str) {
        self.body.push_str("<pre>");
        xml_writer::text(&mut self.body, text);
        self.body.push_str("</pre>\n");
    }

    /// A paragraph with a link.
    pub(super) fn link(&mut self, href: &str, text: &str) {
        self.body.push_str("<p><a href=\"");
        xml_writer::attribute_value(&mut self.body, href);
        self.body.push_str("\">");
        xml_writer::text(&mut self.body, text);
        self.body.push_str("</a></p>\n");
    }

    /// A table with a heading for each column. Columns named in `numbers` are set to the right.
    pub(super) fn table(&mut self, headings: &[&str], numbers: &[usize], rows: &[Vec<Cell>]) {
        self.body.push_str("<div class=\"wide\"><table>\n<thead><tr>");
        for heading in headings {
            self.tagged("th", heading);
        }
        self.body.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.body.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let class = if numbers.contains(&column) { " class=\"number\"" } else { "" };
                self.body.push_str(&format!("<td{class}>"));
                cell.write(&mut self.body);
                self.body.push_str("</td>");
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    fn tagged(&mut self, tag: &str, text: &str) {
        xml_writer::tagged(&mut self.body, tag, text);
        self.body.push('\n');
    }

    /// The answer with this page.
    pub(super) fn response(self, status: StatusCode, method: &Method) -> Response<ResponseBody> {
        let mut title = String::new();
        xml_writer::text(&mut title, &self.title);
        let html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n{}</main>\n</body>\n</html>\n",
            self.body
        );
        let length = html.len();
        let mut response = Response::new(if *method == Method::HEAD { empty() } else { full(html) });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::CONTENT_LENGTH, length.into());
        response
    }
}

/// What a table holds.
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// Text behind a spot of a colour.
    Colored(String, [u8; 3]),
}

impl Cell {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => xml_writer::text(out, text),
            Self::Colored(text, [red, green, blue]) => {
                let color = format!("#{red:02x}{green:02x}{blue:02x}");
                out.push_str(&format!("<span class=\"spot\" style=\"background:{color}\"></span>"));
                xml_writer::text(out, text);
            }
        }
    }
}
