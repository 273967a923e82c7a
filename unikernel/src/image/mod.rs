//! `kalends image`: prepares and shows a device that is not being served.

mod calendar;
mod command;
mod create;
mod import;
mod inspect;
mod split;
mod users;

pub(crate) use command::{ImageCommand, parse};

/// Does it; the error is one line.
pub(crate) fn image(command: &ImageCommand) -> Result<(), String> {
    match command {
        ImageCommand::Create { device, size, user, password_file, hostname } => {
            create::create(device, *size, user, password_file.as_deref(), hostname)
        }
        ImageCommand::AddUser { device, name, password_file, administrator } => {
            users::add(device, name, password_file.as_deref(), *administrator)
        }
        ImageCommand::SetPassword { device, name, password_file } => {
            users::set_password(device, name, password_file.as_deref())
        }
        ImageCommand::Import { device, name, source, replace } => {
            import::import(device, name, source, *replace)
        }
        ImageCommand::ImportCalendar { device, name, source, calendar } => {
            calendar::import(device, name, source, calendar)
        }
        ImageCommand::Export { device, directory } => crate::export::export(device, directory),
        ImageCommand::Inspect { device } => inspect::inspect(device),
    }
}
