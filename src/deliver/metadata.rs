//! What is said about a file: the grant's own fields first, then the options of the location,
//! then what can be told from the file.

use std::{fmt, mem};

use nginx_download_core::disposition::{self, Disposition};
use nginx_download_core::etag::{self, EntityTag};
use nginx_download_core::failure::Failure;
use nginx_download_core::header::{self, HeaderName, HeaderValue};
use nginx_download_core::media::{self, Charset, ContentCoding, MediaType};

use super::Granted;
use crate::Request;
use crate::exchange::Exchange;
use crate::nginx::{Level, NoMemory, Response, Template};
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
    disposition: Option<String>,
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
    /// The name whose extension tells the type where nobody does.
    typed_by: Vec<u8>,
}

impl Metadata {
    /// `file_name` is the last part of the file's path, or empty.
    pub(crate) fn new(
        request: Request<'_>,
        exchange: &Exchange,
        granted: Option<Granted>,
        file_name: &[u8],
    ) -> Result<Self, Refusal> {
        let options = &request.loc_conf().options;
        let (mut grant, cookies) =
            granted.map_or((None, Vec::new()), |granted| (Some(granted.grant), granted.cookies));
        let mut grant = grant.as_mut();
        let named = match grant.as_ref().and_then(|grant| grant.basename.clone()) {
            Some(name) => Some(name.into_bytes()),
            None => value(request, &options.basename)?.map(<[u8]>::to_vec),
        };
        let attachment = grant.as_ref().and_then(|grant| grant.attachment);
        let headers = match grant.as_mut() {
            Some(grant) => mem::take(&mut grant.headers),
            None => Vec::new(),
        };
        let named_by_grant = grant.as_ref().is_some_and(|grant| grant.basename.is_some());
        let mut headers = with_options(request, headers)?;
        if named_by_grant || attachment.is_some() {
            headers.retain(|(name, _)| !name.is("content-disposition"));
        }

        let basename = disposition::basename(named.as_deref().unwrap_or(file_name));
        let kind = match (attachment.unwrap_or(options.attachment()), &named) {
            _ if headers.iter().any(|(name, _)| name.is("content-disposition")) => None,
            (true, _) => Some(Disposition::Attachment),
            // Without a name of its own an inline file is best named by its URL.
            (false, Some(_)) => Some(Disposition::Inline),
            (false, None) => None,
        };
        let disposition =
            kind.map(|kind| disposition::content_disposition(kind, basename.as_bytes()));
        let _ = exchange.basename.set(basename);

        let typed_by = named.filter(|name| name.contains(&b'.'));
        let mut metadata = Self {
            disposition,
            mimetype: grant.as_mut().and_then(|grant| grant.mimetype.take()),
            charset: grant.as_mut().and_then(|grant| grant.charset.take()),
            encoding: grant.as_mut().and_then(|grant| grant.encoding.take()),
            etag: grant.as_mut().and_then(|grant| grant.etag.take()),
            modified: grant.as_ref().and_then(|grant| grant.modified),
            size: grant.as_ref().and_then(|grant| grant.size),
            headers,
            cookies,
            limit_rate: grant.as_ref().and_then(|grant| grant.limit_rate),
            limit_rate_after: grant.as_ref().and_then(|grant| grant.limit_rate_after),
            typed_by: typed_by.unwrap_or_else(|| file_name.to_vec()),
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
    pub(crate) fn for_file(mut self, exchange: &Exchange, file_name: &[u8]) -> Self {
        // A coding is that of the body that the app did not send, unless the name says the same.
        if let Some(encoding) = &self.encoding
            && !media::is_coding_of(file_name, encoding.as_str().as_bytes())
        {
            self.encoding = None;
        }
        let _ = exchange.basename.set(disposition::basename(file_name));
        self.typed_by = file_name.to_vec();
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

    /// Says it in a response that says nothing yet but length, status and what the file system
    /// knows.
    pub(crate) fn describe(&self, response: Response<'_>) -> Result<(), NoMemory> {
        if self.mimetype.is_none() {
            response.guess_content_type(&self.typed_by)?;
        }
        self.overwrite(response)
    }

    /// Says it in a response that another location made; what that says of its own accord
    /// stands where the grant and the options are silent.
    pub(crate) fn overwrite(&self, response: Response<'_>) -> Result<(), NoMemory> {
        if let Some(mimetype) = &self.mimetype {
            response.set_content_type(mimetype.as_str().as_bytes(), mimetype.essence().len())?;
        }
        if let Some(charset) = &self.charset {
            response.set_charset(charset.as_str().as_bytes())?;
        }
        // A coding is that of the body that the app did not send, unless the name says the same.
        if let Some(encoding) = &self.encoding {
            if encoding.is_identity() {
                response.remove(b"Content-Encoding");
            } else {
                response.set(b"Content-Encoding", encoding.as_str().as_bytes())?;
            }
        }
        if let Some(etag) = &self.etag {
            response.set(b"ETag", etag.as_str().as_bytes())?;
        }
        if let Some(modified) = self.modified {
            response.set_last_modified(Some(modified));
        }
        if let Some(disposition) = &self.disposition {
            response.set(b"Content-Disposition", disposition.as_bytes())?;
        }
        for (name, _) in &self.headers {
            response.remove(name.as_str().as_bytes());
        }
        for (name, value) in &self.headers {
            response.add(name.as_str().as_bytes(), value.as_bytes())?;
        }
        if !self.cookies.is_empty() {
            response.remove(b"Set-Cookie");
        }
        for cookie in &self.cookies {
            response.add(b"Set-Cookie", cookie)?;
        }
        if let Some(rate) = self.limit_rate {
            response.set_limit_rate(rate);
        }
        if let Some(bytes) = self.limit_rate_after {
            response.set_limit_rate_after(bytes);
        }
        Ok(())
    }

    /// The file is as large as it is, whatever the grant says.
    pub(crate) fn warn_of_size(&self, request: Request<'_>, real: u64, file: &dyn fmt::Display) {
        if let Some(said) = self.size
            && said != real
        {
            request.log(
                Level::Warn,
                0,
                format_args!("download: the grant says {said} bytes, {file} has {real}"),
            );
        }
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
