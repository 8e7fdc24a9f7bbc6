//! What is said about a file: the grant's own fields first, then the options of the location,
//! then what can be told from the file.

use nginx_download_core::disposition::{self, Disposition};
use nginx_download_core::etag::EntityTag;
use nginx_download_core::failure::Failure;
use nginx_download_core::header::{HeaderName, HeaderValue};
use nginx_download_core::media::{Charset, ContentCoding, MediaType};

use super::Granted;
use crate::Request;
use crate::exchange::Exchange;
use crate::nginx::{Level, NoMemory, Response, Template};
use crate::refusal::Refusal;

/// What is said about a file, ready to be said.
pub(crate) struct Metadata {
    disposition: Option<String>,
    mimetype: Option<MediaType>,
    charset: Option<Charset>,
    encoding: Option<ContentCoding>,
    pub(super) etag: Option<EntityTag>,
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
        granted: Option<&Granted<'_>>,
        file_name: &[u8],
    ) -> Result<Self, Refusal> {
        let grant = granted.map(|granted| granted.grant);
        let options = &request.loc_conf().options;
        let said = |field: Option<&str>, option: &Option<Template>| match (field, option) {
            (Some(field), _) => Ok(Some(field.as_bytes().to_vec())),
            (None, Some(option)) => {
                let value = request.eval(option)?;
                Ok::<_, NoMemory>((!value.is_empty()).then(|| value.to_vec()))
            }
            (None, None) => Ok(None),
        };

        let named = said(grant.and_then(|g| g.basename.as_deref()), &options.basename)?;
        let attachment = grant.and_then(|g| g.attachment).unwrap_or(options.attachment());
        let mut headers = Vec::new();
        for (name, value) in options.headers() {
            let value = request.eval(value)?;
            if !value.is_empty() {
                let value = HeaderValue::parse(value)
                    .map_err(|error| bad_option("download_header", value, &error))?;
                headers.push((name.clone(), value));
            }
        }
        let theirs = grant.map(|g| g.headers.as_slice()).unwrap_or_default();
        headers.retain(|(name, _)| !theirs.iter().any(|(other, _)| other == name));
        headers.extend(theirs.iter().cloned());

        let own_disposition = headers.iter().any(|(name, _)| is(name, "content-disposition"));
        let basename = disposition::basename(named.as_deref().unwrap_or(file_name));
        let disposition = match (attachment, &named) {
            _ if own_disposition => None,
            (true, _) => Some(Disposition::Attachment),
            // Without a name of its own an inline file is best named by its URL.
            (false, Some(_)) => Some(Disposition::Inline),
            (false, None) => None,
        }
        .map(|kind| disposition::content_disposition(kind, basename.as_bytes()));

        let typed_by = match &named {
            Some(named) if named.contains(&b'.') => named.clone(),
            _ => file_name.to_vec(),
        };
        let _ = exchange.basename.set(basename);

        Ok(Self {
            disposition,
            mimetype: match grant.and_then(|g| g.mimetype.clone()) {
                Some(granted) => Some(granted),
                None => option(request, "download_mimetype", &options.mimetype, MediaType::parse)?,
            },
            charset: match grant.and_then(|g| g.charset.clone()) {
                Some(granted) => Some(granted),
                None => option(request, "download_charset", &options.charset, Charset::parse)?,
            },
            encoding: match grant.and_then(|g| g.encoding.clone()) {
                Some(granted) => Some(granted),
                None => {
                    option(request, "download_encoding", &options.encoding, ContentCoding::parse)?
                }
            },
            etag: grant.and_then(|g| g.etag.clone()),
            modified: grant.and_then(|g| g.modified),
            size: grant.and_then(|g| g.size),
            headers,
            cookies: granted
                .map(|granted| granted.cookies.iter().map(|cookie| cookie.to_vec()).collect())
                .unwrap_or_default(),
            limit_rate: grant.and_then(|g| g.limit_rate),
            limit_rate_after: grant.and_then(|g| g.limit_rate_after),
            typed_by,
        })
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
    pub(crate) fn warn_of_size(&self, request: Request<'_>, real: u64, place: &str) {
        if let Some(said) = self.size
            && said != real
        {
            request.log(
                Level::Warn,
                0,
                format_args!(
                    "download: the grant says {said} bytes, the file in {place} has {real}"
                ),
            );
        }
    }
}

fn is(name: &HeaderName, lower: &str) -> bool {
    name.as_str().eq_ignore_ascii_case(lower)
}

/// The value of an option; nothing when it is not set or comes out empty.
fn option<T, E: std::fmt::Display>(
    request: Request<'_>,
    directive: &str,
    template: &Option<Template>,
    parse: fn(&[u8]) -> Result<T, E>,
) -> Result<Option<T>, Refusal> {
    let Some(template) = template else { return Ok(None) };
    let value = request.eval(template)?;
    if value.is_empty() {
        return Ok(None);
    }
    parse(value).map(Some).map_err(|error| bad_option(directive, value, &error))
}

fn bad_option(directive: &str, value: &[u8], error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(
        Failure::BadOption,
        format!("{directive} came out as \"{}\": {error}", value.escape_ascii()),
    )
}
