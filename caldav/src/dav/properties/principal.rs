//! The properties of principals and of access (RFC 3744, RFC 5397; for calendar users RFC 4791 §6.2 and
//! RFC 6638 §2.4).

use super::{
    live::LiveProperty,
    subject::Subject,
    write::{Context, push_href},
};
use crate::dav::{
    error::DavError,
    location::{HomePath, Location, principal_href},
    resource::Principal,
    xml_writer::tagged,
};

pub(super) static PROPERTIES: [LiveProperty; 11] = [
    LiveProperty::dav("current-user-principal", current_user_principal),
    LiveProperty::dav("principal-URL", principal_url),
    LiveProperty::dav("principal-collection-set", principal_collection_set),
    LiveProperty::dav("alternate-URI-set", |_, _, subject| Ok(matches!(subject, Subject::Principal(_)))),
    LiveProperty::dav("group-member-set", group_member_set),
    LiveProperty::dav("group-membership", group_membership),
    LiveProperty::dav("current-user-privilege-set", current_user_privilege_set),
    LiveProperty::caldav("calendar-home-set", calendar_home_set),
    LiveProperty::caldav("calendar-user-address-set", calendar_user_address_set),
    LiveProperty::caldav("calendar-user-type", calendar_user_type),
    LiveProperty::calendar_server("email-address-set", email_address_set),
];

fn current_user_principal(
    out: &mut String,
    context: &Context<'_>,
    _: &Subject<'_>,
) -> Result<bool, DavError> {
    push_href(out, &principal_href(&context.user.name));
    Ok(true)
}

fn principal_url(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::Principal(principal) = subject else { return Ok(false) };
    push_href(out, &principal.href());
    Ok(true)
}

fn principal_collection_set(out: &mut String, _: &Context<'_>, _: &Subject<'_>) -> Result<bool, DavError> {
    push_href(out, &Location::Principals.href());
    Ok(true)
}

fn group_member_set(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::Principal(Principal::Group(group)) = subject else { return Ok(false) };
    for member in &group.members {
        push_href(out, &principal_href(member));
    }
    Ok(true)
}

fn group_membership(
    out: &mut String,
    context: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    let Subject::Principal(principal) = subject else { return Ok(false) };
    if let Principal::User(user) = principal {
        for group in context.service.realm.groups_of(&user.name) {
            push_href(out, &principal_href(&group.name));
        }
    }
    Ok(true)
}

/// A home is its owner's alone, and wholly; there are no access control lists to read or write.
fn current_user_privilege_set(
    out: &mut String,
    context: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    let privileges: &[&str] = match subject.home() {
        Some(home) if *home.owner == *context.user.name => &[
            "D:read",
            "C:read-free-busy",
            "D:read-current-user-privilege-set",
            "D:write",
            "D:write-content",
            "D:write-properties",
            "D:bind",
            "D:unbind",
        ],
        _ => &["D:read", "D:read-current-user-privilege-set"],
    };
    for privilege in privileges {
        out.push_str("<D:privilege><");
        out.push_str(privilege);
        out.push_str("/></D:privilege>");
    }
    Ok(true)
}

fn calendar_home_set(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::Principal(Principal::User(user)) = subject else { return Ok(false) };
    push_href(out, &HomePath::home(&user.name).href());
    Ok(true)
}

fn calendar_user_address_set(
    out: &mut String,
    _: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    let Subject::Principal(principal) = subject else { return Ok(false) };
    if let Principal::User(user) = principal {
        for address in &user.addresses {
            push_href(out, &format!("mailto:{address}"));
        }
    }
    push_href(out, &principal.href());
    Ok(true)
}

fn calendar_user_type(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::Principal(principal) = subject else { return Ok(false) };
    out.push_str(match principal {
        Principal::User(_) => "INDIVIDUAL",
        Principal::Group(_) => "GROUP",
    });
    Ok(true)
}

fn email_address_set(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::Principal(Principal::User(user)) = subject else { return Ok(false) };
    for address in &user.addresses {
        tagged(out, "CS:email-address", address);
    }
    Ok(true)
}
