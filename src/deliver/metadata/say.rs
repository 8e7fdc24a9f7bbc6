//! Saying it: the header fields of a response, and what nginx keeps apart from them.

use std::fmt;

use nginx_download_core::disposition;

use super::Metadata;
use crate::Request;
use crate::nginx::{Level, NoMemory, Response};

impl Metadata {
    /// Says it in a response that says nothing yet but length, status and what the file system
    /// knows. `file_name` is the last part of the file's path, or empty.
    pub(crate) fn describe(
        &self,
        response: Response<'_>,
        file_name: &[u8],
    ) -> Result<(), NoMemory> {
        let copy = |bytes: &[u8]| response.pool().copy(bytes).map(|copy| &*copy);
        self.describe_by(response, file_name, copy)
    }

    /// The same, without a copy of what outlives the request anyway.
    pub(crate) fn describe_in_place<'r>(
        &'r self,
        response: Response<'r>,
        file_name: &[u8],
    ) -> Result<(), NoMemory> {
        self.describe_by(response, file_name, Ok)
    }

    /// Says it in a response that another location made; what that says of its own accord
    /// stands where the grant and the options are silent.
    pub(crate) fn overwrite(&self, response: Response<'_>) -> Result<(), NoMemory> {
        let copy = |bytes: &[u8]| response.pool().copy(bytes).map(|copy| &*copy);
        self.say(response, b"", copy)
    }

    /// Makes what would be made each time that it is said of a file of that name.
    pub(crate) fn make(
        &mut self,
        response: Response<'_>,
        file_name: &[u8],
    ) -> Result<(), NoMemory> {
        if self.mimetype.is_none() {
            let guessed = response.content_type_of(self.typed_by(file_name))?;
            self.made.content_type = Some(guessed.into());
        }
        self.made.disposition = self.disposition.map(|kind| {
            let name = self.basename.as_deref().unwrap_or(file_name);
            disposition::content_disposition(kind, name).into_bytes().into()
        });
        Ok(())
    }

    /// `keep` makes bytes last as long as the request.
    fn describe_by<'m, 'r>(
        &'m self,
        response: Response<'r>,
        file_name: &[u8],
        keep: impl Fn(&'m [u8]) -> Result<&'r [u8], NoMemory>,
    ) -> Result<(), NoMemory> {
        if self.mimetype.is_none() {
            match &self.made.content_type {
                Some(made) => response.set_content_type(keep(made)?, made.len()),
                None => response.guess_content_type(self.typed_by(file_name))?,
            }
        }
        self.say(response, file_name, keep)
    }

    /// The name whose extension tells the type where nobody does: that which the client gets,
    /// if it has one.
    fn typed_by<'n>(&'n self, file_name: &'n [u8]) -> &'n [u8] {
        self.basename.as_deref().filter(|name| name.contains(&b'.')).unwrap_or(file_name)
    }

    fn say<'m, 'r>(
        &'m self,
        response: Response<'r>,
        file_name: &[u8],
        keep: impl Fn(&'m [u8]) -> Result<&'r [u8], NoMemory>,
    ) -> Result<(), NoMemory> {
        if let Some(mimetype) = &self.mimetype {
            let essence = mimetype.essence().len();
            response.set_content_type(keep(mimetype.as_str().as_bytes())?, essence);
        }
        if let Some(charset) = &self.charset {
            response.set_charset(keep(charset.as_str().as_bytes())?);
        }
        // A coding is that of the body that the app did not send, unless the name says the same.
        if let Some(encoding) = &self.encoding {
            if encoding.is_identity() {
                response.remove(b"Content-Encoding");
            } else {
                response.set(b"Content-Encoding", keep(encoding.as_str().as_bytes())?)?;
            }
        }
        if let Some(etag) = &self.etag {
            response.set(b"ETag", keep(etag.as_str().as_bytes())?)?;
        }
        if let Some(modified) = self.modified {
            response.set_last_modified(Some(modified));
        }
        if let Some(value) = self.disposition(response, file_name, &keep)? {
            response.set(b"Content-Disposition", value)?;
        }
        for (name, _) in &self.headers {
            response.remove(name.as_str().as_bytes());
        }
        for (name, value) in &self.headers {
            response.add(keep(name.as_str().as_bytes())?, keep(value.as_bytes())?)?;
        }
        if !self.cookies.is_empty() {
            response.remove(b"Set-Cookie");
        }
        for cookie in &self.cookies {
            response.add(b"Set-Cookie", keep(cookie)?)?;
        }
        if let Some(rate) = self.limit_rate {
            response.set_limit_rate(rate);
        }
        if let Some(bytes) = self.limit_rate_after {
            response.set_limit_rate_after(bytes);
        }
        Ok(())
    }

    /// The value of Content-Disposition.
    fn disposition<'m, 'r>(
        &'m self,
        response: Response<'r>,
        file_name: &[u8],
        keep: impl Fn(&'m [u8]) -> Result<&'r [u8], NoMemory>,
    ) -> Result<Option<&'r [u8]>, NoMemory> {
        let Some(kind) = self.disposition else { return Ok(None) };
        if let Some(made) = &self.made.disposition {
            return keep(made).map(Some);
        }
        let name = self.basename.as_deref().unwrap_or(file_name);
        let value = match disposition::plain_disposition(kind, name) {
            Some(parts) => response.pool().concat(&parts)?,
            None => {
                let value = disposition::content_disposition(kind, name);
                response.pool().copy(value.as_bytes())?
            }
        };
        Ok(Some(value))
    }

    /// The file is as large as it is, whatever the grant says.
    pub(crate) fn warn_of_size(&self, request: Request<'_>, real: u64, file: &impl fmt::Display) {
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
