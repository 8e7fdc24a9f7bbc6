//! The table of directives. The reference in README.md follows it; a test sees to that.

use std::fmt::Display;
use std::rc::Rc;

use nginx_download_core::explain;
use nginx_download_core::header::{self, HeaderName, HeaderValue};
use nginx_download_core::media::{Charset, ContentCoding, MediaType};

use super::parameter::unexpected;
use super::{
    Endpoint, Format, LocConf, MainConf, cache, descriptors, health, intercept, signature, storage,
    view,
};
use crate::Download;
use crate::nginx::{ANY_NUMBER, Conf, ConfError, Context, Directive, Setter, Template};
use crate::tally::Tally;

const ANYWHERE: &[Context] = &[Context::Http, Context::Server, Context::Location, Context::If];

const LEVELS: &[Context] = &[Context::Http, Context::Server, Context::Location];

type Set = Result<(), ConfError>;

/// All directives, in the order of the reference.
pub(crate) const TABLE: &[Directive<Download>] = &[
    Directive {
        name: c"download_storage",
        contexts: &[Context::Http],
        arguments: (2, 3),
        set: Setter::Main(|conf, main: &mut MainConf| {
            let mut declared = storage::parse(conf)?;
            declared.index = main.storages.len();
            if main.storage(declared.name.as_bytes()).is_some() {
                return Err(format!("there is a storage \"{}\" already", declared.name).into());
            }
            main.storages.push(declared);
            Ok(())
        }),
    },
    Directive {
        name: c"download_rule",
        contexts: LEVELS,
        arguments: (2, 2),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let rule = storage::parse_rule(conf)?;
            append(&mut location.rules, rule)
        }),
    },
    Directive {
        name: c"download",
        contexts: &[Context::Location, Context::If],
        arguments: (1, 3),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let declared = view::parse(conf)?;
            once(&mut location.view, declared)
        }),
    },
    Directive {
        name: c"download_attachment",
        contexts: ANYWHERE,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let declared = flag(conf)?;
            once(&mut location.options.attachment, declared)
        }),
    },
    Directive {
        name: c"download_basename",
        contexts: ANYWHERE,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            template(conf, &mut location.options.basename)
        }),
    },
    Directive {
        name: c"download_mimetype",
        contexts: ANYWHERE,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            option(conf, &mut location.options.mimetype, MediaType::parse)
        }),
    },
    Directive {
        name: c"download_charset",
        contexts: ANYWHERE,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            option(conf, &mut location.options.charset, Charset::parse)
        }),
    },
    Directive {
        name: c"download_encoding",
        contexts: ANYWHERE,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            option(conf, &mut location.options.encoding, ContentCoding::parse)
        }),
    },
    Directive {
        name: c"download_header",
        contexts: ANYWHERE,
        arguments: (2, 2),
        set: Setter::Location(header),
    },
    Directive {
        name: c"download_intercept",
        contexts: LEVELS,
        arguments: (1, 4),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let declared = intercept::parse(conf)?;
            once(&mut location.intercept, declared)
        }),
    },
    Directive {
        name: c"download_grant_max_size",
        contexts: LEVELS,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let size = conf.size(conf.argument(0))?;
            if size == 0 {
                return Err("no grant has 0 bytes".into());
            }
            once(&mut location.grant_max_size, size)
        }),
    },
    Directive {
        name: c"download_signature",
        contexts: &[Context::Location],
        arguments: (1, ANY_NUMBER),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let declared = signature::parse(conf)?.map(Rc::new);
            once(&mut location.signature, declared)
        }),
    },
    Directive {
        name: c"download_cache_zone",
        contexts: &[Context::Http],
        arguments: (1, 1),
        set: Setter::Main(|conf, main: &mut MainConf| cache::declare_zone(conf, main)),
    },
    Directive {
        name: c"download_cache",
        contexts: LEVELS,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            cache::set_zone(conf, &mut location.caching)
        }),
    },
    Directive {
        name: c"download_cache_key",
        contexts: LEVELS,
        arguments: (1, 7),
        set: Setter::Location(|conf, location: &mut LocConf| {
            cache::set_key(conf, &mut location.caching)
        }),
    },
    Directive {
        name: c"download_cache_valid",
        contexts: LEVELS,
        arguments: (1, 2),
        set: Setter::Location(|conf, location: &mut LocConf| {
            cache::set_valid(conf, &mut location.caching)
        }),
    },
    Directive {
        name: c"download_cache_lock",
        contexts: LEVELS,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            cache::set_lock(conf, &mut location.caching)
        }),
    },
    Directive {
        name: c"download_cache_use_stale",
        contexts: LEVELS,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            cache::set_stale(conf, &mut location.caching)
        }),
    },
    Directive {
        name: c"download_descriptors",
        contexts: &[Context::Upstream],
        arguments: (1, 2),
        set: Setter::Upstream(descriptors::set),
    },
    Directive {
        name: c"download_explain",
        contexts: LEVELS,
        arguments: (1, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let wish = conf.argument(0);
            if let Some(name) = variables(wish).find(|name| explain::is_the_clients(name)) {
                return Err(format!(
                    "\"${name}\" is the client's to choose, so that anybody could ask for \
                     explanations: use a variable of map or geo that lets some in"
                )
                .into());
            }
            template(conf, &mut location.explain)
        }),
    },
    Directive {
        name: c"download_revoke",
        contexts: &[Context::Location],
        arguments: (0, 0),
        set: Setter::Location(|_, location: &mut LocConf| {
            once(&mut location.endpoint, Endpoint::Revoke)
        }),
    },
    Directive {
        name: c"download_status",
        contexts: &[Context::Location],
        arguments: (0, 1),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let format = status_format(conf)?;
            Tally::declare(conf, &conf.main_conf::<Download>().tally)?;
            once(&mut location.endpoint, Endpoint::Status(format))
        }),
    },
    Directive {
        name: c"download_health",
        contexts: &[Context::Location],
        arguments: (0, ANY_NUMBER),
        set: Setter::Location(|conf, location: &mut LocConf| {
            let declared = health::parse(conf)?;
            once(&mut location.endpoint, Endpoint::Health(declared))
        }),
    },
];

pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Set {
    if slot.is_some() {
        return Err("is duplicate".into());
    }
    *slot = Some(value);
    Ok(())
}

fn append<T>(list: &mut Option<Rc<Vec<T>>>, item: T) -> Set {
    // Nothing is shared before the lists are merged.
    Rc::get_mut(list.get_or_insert_default())
        .map(|list| list.push(item))
        .ok_or_else(|| "comes too late".into())
}

pub(super) fn flag(conf: &Conf<'_>) -> Result<bool, ConfError> {
    match conf.argument(0) {
        b"on" => Ok(true),
        b"off" => Ok(false),
        other => {
            Err(format!("it must be \"on\" or \"off\", not \"{}\"", other.escape_ascii()).into())
        }
    }
}

/// The names of the variables in a value.
pub(super) fn variables(value: &[u8]) -> impl Iterator<Item = String> {
    value.split(|&c| c == b'$').skip(1).map(|rest| {
        let rest = rest.strip_prefix(b"{").unwrap_or(rest);
        let is_name = |c: &&u8| c.is_ascii_alphanumeric() || **c == b'_';
        rest.iter().take_while(is_name).copied().map(char::from).collect()
    })
}

/// `[format=json|prometheus|html]`
fn status_format(conf: &Conf<'_>) -> Result<Format, ConfError> {
    let argument = match conf.arguments()[..] {
        [] => return Ok(Format::default()),
        [argument, ..] => argument,
    };
    argument
        .strip_prefix(b"format=")
        .and_then(Format::parse)
        .ok_or_else(|| unexpected(argument, "format=json, format=prometheus or format=html"))
}

fn template(conf: &mut Conf<'_>, slot: &mut Option<Template>) -> Set {
    let value = conf.template(conf.argument(0))?;
    once(slot, value)
}

/// An option that can be checked now, unless it has variables.
fn option<T, E: Display>(
    conf: &mut Conf<'_>,
    slot: &mut Option<Template>,
    parse: fn(&[u8]) -> Result<T, E>,
) -> Set {
    let value = checked(conf, 0, parse)?;
    once(slot, value)
}

fn checked<T, E: Display>(
    conf: &mut Conf<'_>,
    argument: usize,
    parse: fn(&[u8]) -> Result<T, E>,
) -> Result<Template, ConfError> {
    let value = conf.template(conf.argument(argument))?;
    if let Some(text) = value.constant().filter(|text| !text.is_empty()) {
        parse(text).map_err(|error| format!("\"{}\": {error}", text.escape_ascii()))?;
    }
    Ok(value)
}

fn header(conf: &mut Conf<'_>, location: &mut LocConf) -> Set {
    let name = conf.argument(0);
    let parsed =
        HeaderName::parse(name).map_err(|error| format!("\"{}\": {error}", name.escape_ascii()))?;
    if header::is_hop_by_hop_or_framing(name) || header::is_accel(name) {
        return Err(format!("\"{}\" is not for you to set", name.escape_ascii()).into());
    }
    let twin = match name.to_ascii_lowercase().as_slice() {
        b"content-type" => Some("download_mimetype"),
        b"content-encoding" => Some("download_encoding"),
        b"etag" | b"last-modified" => Some("the grant's etag and modified"),
        _ => None,
    };
    if let Some(twin) = twin {
        return Err(format!("\"{}\": use {twin} instead", name.escape_ascii()).into());
    }
    let value = checked(conf, 1, HeaderValue::parse)?;
    append(&mut location.options.headers, (parsed, value))
}
