//! What is said about a file: the grant's own fields first, then the options of the location,
//! then what can be told from the file. How it is said is `say.rs`'s.

mod say;

use std::fmt;

use nginx_download_core::disposition::{self, Disposition};
use nginx_download_core::etag::{self, EntityTag};
use nginx_download_core::failure::Failure;
use nginx_download_core::header::{self, HeaderName, HeaderValue};
use nginx_download_core::media::{self, Charset, ContentCoding, MediaType};
use nginx_download_core::signature::Claims;

use super::Granted;
use crate::Request;
use crate::exchange::Exchange;
use crate::nginx::{Level, NoMemory, Template};
use crate::refusal::Refusal;

/// The response of an app that refers to a file.
pub(crate) struct AppResponse<'r> {
    pub(crate) content_type: &'r [u8],
    /// As nginx has understood it.
    pub(crate) charset: &'r [u8],
    /// Last-Modified in Unix seconds.
    pub(crate) modified: Option<i64>,
    /// All other fields, those meant for the server included.
    pub(crate) fields: Vec<(&'r [u8], &'r [u8])>,
}

/// What is said about a file, ready to be said.
#[derive(Default)]
pub(crate) struct Metadata {
    disposition: Option<Disposition>,
    /// The name to save the file under, where it is not the file's own.
    basename: Option<Vec<u8>>,
    mimetype: Option<MediaType>,
    charset: Option<Charset>,
    encoding: Option<ContentCoding>,
    etag: Option<EntityTag>,
    modified: Option<i64>,
    size: Option<u64>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<Vec<u8>>,
    limit_rate: Option<u64>,
    limit_rate_after: Option<u64>,
    /// What is else made of the above each time that it is said.
    made: Made,
}

/// The values of header fields, made beforehand.
#[derive(Default)]
struct Made {
    content_type: Option<Box<[u8]>>,
    disposition: Option<Box<[u8]>>,
}

impl Metadata {
    /// What the grant says, if there is one, and the options of the location.
    pub(crate) fn new(
        request: Request<'_>,
        exchange: &Exchange,
        granted: Option<Granted>,
    ) -> Result<Self, Refusal> {
        let options = &request.loc_conf().options;
        let (mut metadata, mut attachment) = match granted {
            Some(granted) => Self::granted(granted),
            None => Default::default(),
        };
        if let Some(claims) = exchange.claims.get() {
            metadata.complete(&mut attachment, claims);
        }
        let overrides_disposition = metadata.basename.is_some() || attachment.is_some();
        if metadata.basename.is_none() {
            metadata.basename = value(request, &options.basename)?.map(<[u8]>::to_vec);
        }
        if let Some(name) = &metadata.basename {
            let _ = exchange.basename.set(disposition::basename(name));
        }
        if !options.headers().is_empty() {
            metadata.headers = with_options(request, metadata.headers)?;
        }
        if overrides_disposition {
            metadata.headers.retain(|(name, _)| !name.is("content-disposition"));
        }
        metadata.disposition = match attachment.unwrap_or(options.attachment()) {
            _ if metadata.headers.iter().any(|(name, _)| name.is("content-disposition")) => None,
            true => Some(Disposition::Attachment),
            // Without a name of its own an inline file is best named by its URL.
            false => metadata.basename.as_ref().map(|_| Disposition::Inline),
        };
        let said_charset = metadata.mimetype.as_ref().is_some_and(|said| said.charset().is_some());
        or_option(
            request,
            &mut metadata.mimetype,
            ("download_mimetype", &options.mimetype),
            MediaType::parse,
        )?;
        if !said_charset {
            or_option(
                request,
                &mut metadata.charset,
                ("download_charset", &options.charset),
                Charset::parse,
            )?;
        }
        or_option(
            request,
            &mut metadata.encoding,
            ("download_encoding", &options.encoding),
            ContentCoding::parse,
        )?;
        Ok(metadata)
    }

    /// What a grant says, and whether it says that the file is an attachment.
    fn granted(Granted { grant, cookies }: Granted) -> (Self, Option<bool>) {
        let metadata = Self {
            disposition: None,
            basename: grant.basename.map(String::into_bytes),
            mimetype: grant.mimetype,
            charset: grant.charset,
            encoding: grant.encoding,
            etag: grant.etag,
            modified: grant.modified,
            size: grant.size,
            headers: grant.headers,
            cookies,
            limit_rate: grant.limit_rate,
            limit_rate_after: grant.limit_rate_after,
            made: Made::default(),
        };
        (metadata, grant.attachment)
    }

    /// What a signed link says, where the grant does not.
    fn complete(&mut self, attachment: &mut Option<bool>, claims: &Claims) {
        if !self.headers.iter().any(|(name, _)| name.is("content-disposition")) {
            if self.basename.is_none() {
                self.basename = claims.basename.clone().map(String::into_bytes);
            }
            *attachment = attachment.or(claims.attachment);
        }
        self.limit_rate = self.limit_rate.or(claims.limit_rate);
    }

    /// What the app's own response says: all of its header fields but those that are about the
    /// body that it did not send.
    pub(crate) fn of_app(request: Request<'_>, app: AppResponse<'_>) -> Self {
        let mimetype = MediaType::parse(app.content_type).ok();
        // nginx takes a charset parameter for its own use, and leaves it in the type.
        let charset = Charset::parse(app.charset)
            .ok()
            .filter(|_| mimetype.as_ref().is_some_and(|mimetype| mimetype.charset().is_none()));
        let mut metadata = Self { mimetype, charset, modified: app.modified, ..Self::default() };
        for (name, value) in app.fields {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("ETag") {
                metadata.etag =
                    EntityTag::parse(value).ok().filter(|_| !etag::is_of_nothing(value));
            } else if is("Content-Encoding") {
                metadata.encoding = ContentCoding::parse(value).ok();
            } else if is("X-Accel-Limit-Rate") {
                metadata.limit_rate = limit_rate(request, value);
            } else if is("X-Accel-Charset") && value != b"off" {
                metadata.charset = Charset::parse(value).ok();
            } else if is("Last-Modified")
                || is("Server")
                || is("Date")
                || header::is_accel(name)
                || header::is_hop_by_hop_or_framing(name)
            {
                continue;
            } else if let (Ok(name), Ok(value)) =
                (HeaderName::parse(name), HeaderValue::parse(value))
            {
                metadata.headers.push((name, value));
            }
        }
        metadata
    }

    /// The app's response is about this file.
    pub(crate) fn for_file(mut self, file_name: &[u8]) -> Self {
        // A coding is that of the body that the app did not send, unless the name says the same.
        if let Some(encoding) = &self.encoding
            && !media::is_coding_of(file_name, encoding.as_str().as_bytes())
        {
            self.encoding = None;
        }
        self
    }

    /// The file's name is this, and is not remembered elsewhere.
    pub(crate) fn named(mut self, exchange: &Exchange, file_name: &[u8]) -> Self {
        let _ = exchange.basename.set(disposition::basename(file_name));
        if self.disposition.is_some() && self.basename.is_none() {
            self.basename = Some(file_name.to_vec());
        }
        self
    }

    /// Is something said of the version that a client may ask for?
    pub(crate) fn has_version(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }

    /// Does the app vouch for a version of the file?
    pub(crate) fn has_etag(&self) -> bool {
        self.etag.is_some()
    }
}

/// X-Accel-Limit-Rate: nginx takes a number, and ignores the rest in silence, `off` included, which
/// some apps send.
pub(super) fn limit_rate(request: Request<'_>, value: &[u8]) -> Option<u64> {
    let number = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let rate = if value == b"off" { Some(0) } else { number };
    if rate.is_none() {
        let value = value.escape_ascii();
        let text = format_args!("download: X-Accel-Limit-Rate \"{value}\" is no number");
        request.log(Level::Warn, 0, text);
    }
    rate
}

/// The value of an option; nothing when it is not set or comes out empty.
fn value<'r>(
    request: Request<'r>,
    option: &Option<Template>,
) -> Result<Option<&'r [u8]>, NoMemory> {
    let Some(template) = option else { return Ok(None) };
    Ok(Some(request.eval(template)?).filter(|value| !value.is_empty()))
}

/// Fills what the grant left open from an option of the location.
fn or_option<T, E: fmt::Display>(
    request: Request<'_>,
    field: &mut Option<T>,
    (directive, option): (&str, &Option<Template>),
    parse: fn(&[u8]) -> Result<T, E>,
) -> Result<(), Refusal> {
    if field.is_none()
        && let Some(value) = value(request, option)?
    {
        *field = Some(parse(value).map_err(|error| bad_option(directive, value, &error))?);
    }
    Ok(())
}

/// The grant's header fields, and those of `download_header` that it does not have.
fn with_options(
    request: Request<'_>,
    granted: Vec<(HeaderName, HeaderValue)>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let mut headers = Vec::new();
    for (name, option) in request.loc_conf().options.headers() {
        let value = request.eval(option)?;
        if !value.is_empty() && !granted.iter().any(|(other, _)| other == name) {
            let parsed = HeaderValue::parse(value)
                .map_err(|error| bad_option("download_header", value, &error))?;
            headers.push((name.clone(), parsed));
        }
    }
    headers.extend(granted);
    Ok(headers)
}

fn bad_option(directive: &str, value: &[u8], error: &dyn fmt::Display) -> Refusal {
    Refusal::new(
        Failure::BadOption,
        format!("{directive} came out as \"{}\": {error}", value.escape_ascii()),
    )
}
