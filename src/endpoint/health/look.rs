//! How each part is looked at: by the code that downloads use, short of sending anything; and what
//! is said of what is found.

use nginx_download_core::counters::View;
use nginx_download_core::failure::Failure;
use nginx_download_core::grant::File;
use nginx_download_core::header;
use nginx_download_core::health::{Finding, advice};
use nginx_download_core::rule::Rule;

use super::run::Run;
use crate::config::{LocalUri, Where};
use crate::entry::intercept::{self, Found};
use crate::exchange::Exchange;
use crate::locate::{Disk, Reference, Target};
use crate::nginx::{Answer, End, NoMemory, OpenError, Question, Status, Symlinks, worker_uid};
use crate::refusal::{Refusal, errno_in_words};
use crate::zone::Zone;
use crate::{Download, Request, decide, deliver, locate as places};

/// What goes on when a location has answered.
type Then = for<'a> fn(Request<'a>, Answer<'a>) -> Status;

/// So many bytes of a file behind a location are taken, and thrown away. A connection over which
/// more would come is closed.
const ENOUGH: usize = 64 * 1024;

/// A folder that files are looked up in, below a root or the root itself.
pub(super) fn folder(
    request: Request<'_>,
    root: &[u8],
    path: &[u8],
    symlinks: Symlinks,
) -> Finding {
    let Err(error) = request.search(root, path, symlinks) else { return Ok(None) };
    let root = root.escape_ascii();
    let shown = match path {
        b"." => root.to_string(),
        path => format!("{root}/{}", path.escape_ascii()),
    };
    Err(match error {
        OpenError::Os(libc::EACCES) => format!(
            "Permission denied: the nginx worker (uid {}) may not search {shown}, or a folder on \
             the way to it; give its user the permission x; namei -l {shown} shows who may what",
            worker_uid()
        ),
        OpenError::Os(libc::ENOENT) => {
            format!("No such file or directory: {shown}; create or mount it, or correct nginx.conf")
        }
        OpenError::Os(libc::ENOTDIR) | OpenError::NotRegular(_) => {
            format!("{shown} is no directory; replace it by one, or correct nginx.conf")
        }
        OpenError::Os(errno) => format!("{}: {shown} cannot be opened", errno_in_words(errno)),
        OpenError::Symlink => format!(
            "{shown} is behind a symbolic link, and none is followed below {root}; replace it by \
             what it leads to, or allow it with symlinks=on"
        ),
        OpenError::Outside => {
            format!("{shown} leads out of {root}; correct the symbolic link, or the rule")
        }
        OpenError::NoMemory => "out of memory".to_owned(),
    })
}

/// Where a rule leads to.
pub(super) fn rule(request: Request<'_>, rule: &Rule<String>) -> Finding {
    let storage =
        places::storage(request, rule.storage.as_bytes()).map_err(|refusal| explain(&refusal))?;
    match &storage.place {
        Where::Root { path, symlinks } => {
            let subdir = rule.subdir.as_ref().map_or(&b"."[..], |subdir| subdir.as_bytes());
            folder(request, path, subdir, *symlinks)
        }
        Where::Location(_) | Where::Url { .. } => Ok(None),
    }
}

/// Does the zone's memory hold what it should?
pub(super) fn zone(zone: &Zone) -> Finding {
    match zone.with(|table| table.position()) {
        Some(_) => Ok(None),
        None => Err("its memory holds no table of decisions; restart nginx".to_owned()),
    }
}

/// Looks at a file. `None`: a location is asked about it, and `then` goes on.
pub(super) fn at(
    request: Request<'_>,
    run: &Run,
    target: Target<'_>,
    then: Then,
) -> Option<Finding> {
    let asked = match target {
        Target::Disk(disk) => return Some(on_disk(request, disk)),
        Target::Memory(_) => return Some(Ok(None)),
        Target::Passed(descriptor) => {
            let opened = deliver::open_passed(request, descriptor);
            return Some(opened.map(|_| None).map_err(|refusal| explain(&refusal)));
        }
        Target::Location { uri, args, .. } => {
            run.asks(format!("the internal location \"{}\"", uri.escape_ascii()));
            fetch(request, &uri, &args, None, then)
        }
        Target::Remote { url, via, .. } => {
            let (by, from) = (via.escape_ascii(), url.escape_ascii());
            run.asks(format!("the internal location \"{by}\", which fetches {from},"));
            fetch(request, &via, b"", Some(url), then)
        }
    };
    asked.err().map(|refusal| Err(explain(&refusal)))
}

/// Looks at all that an app refers to, as [`at`] does.
pub(super) fn at_reference(
    request: Request<'_>,
    run: &Run,
    reference: Reference<'_>,
    then: Then,
) -> Option<Finding> {
    match reference {
        Reference::Target(target) => at(request, run, target, then),
        Reference::Parts(parts) => {
            let mut found = parts.into_iter().map(|(disk, _)| on_disk(request, disk));
            Some(found.find(Result::is_err).unwrap_or(Ok(None)))
        }
        Reference::Named(name) => {
            let name = name.escape_ascii();
            Some(Ok(Some(format!("the app refers to {name}, which was not looked at"))))
        }
    }
}

/// Opens a file and reads of it, and leaves it where it is.
fn on_disk(request: Request<'_>, disk: Disk<'_>) -> Finding {
    let disk = Disk { temporary: false, ..disk };
    deliver::open(request, &disk)
        .and_then(|file| file.try_read().map_err(|error| Refusal::open(&error, &disk)))
        .map_or_else(|refusal| Err(explain(&refusal)), |()| Ok(None))
}

/// Asks another location for a file, as a download would be redirected to it.
fn fetch(
    request: Request<'_>,
    uri: &[u8],
    args: &[u8],
    url: Option<Vec<u8>>,
    then: Then,
) -> Result<(), Refusal> {
    let question = Question::<Download> {
        uri: request.pool().copy(uri)?,
        args: request.pool().copy(args)?,
        withhold: if url.is_some() { withheld_from_origin } else { header::withheld_from_app },
        limit: ENOUGH,
        then,
    };
    let asked = request.ask(&question).map_err(|_| NoMemory)?;
    if let Some(url) = url {
        // What `$download_url` is taken from; the probe itself downloads nothing. Without memory
        // for it, the location fails.
        let exchange = Exchange::new(View::Http);
        let _ = exchange.url.set(url);
        let _ = asked.begin(exchange);
    }
    Ok(())
}

fn withheld_from_origin(name: &[u8]) -> bool {
    header::withheld_from_app(name) || header::is_credential(name)
}

/// What a location answered that was asked for a file; `asked` says which.
pub(super) fn fetched(asked: &str, answer: &Answer<'_>) -> Finding {
    let status = match (answer.status(), answer.end()) {
        (200, End::Whole | End::Oversize | End::Mixed) => return Ok(None),
        (200, End::Cut) => {
            return Err(format!("the answer of {asked} broke off; the error log says more"));
        }
        (status, _) => status,
    };
    let hint = match status {
        0 | 502 => "is the server that it passes on to there? The error log says more",
        504 => "the server that it passes on to did not answer in time",
        404 => "is the file there, and is the location's root, alias or proxy_pass right?",
        401 | 403 => {
            "may the nginx worker read the file, or may it be fetched without credentials?"
        }
        300..=399 => "redirects are not followed",
        _ => "the error log may say more",
    };
    Err(format!("{asked} answered {status} instead of 200; {hint}"))
}

/// Asks the app, as `download object` does.
pub(super) fn ask(request: Request<'_>, uri: &LocalUri, then: Then) -> Result<(), Refusal> {
    let question = decide::ask::question(request, uri, then)?;
    request.ask(&question).map(|_| ()).map_err(|_| NoMemory.into())
}

/// What the app granted.
pub(super) enum Granted<'r> {
    /// By a grant.
    File(File),
    /// By a header field, where `download_intercept` allows it.
    Found(Found<'r>),
}

/// Does the app grant something?
pub(super) fn judge<'r>(request: Request<'_>, answer: &Answer<'r>) -> Result<Granted<'r>, Refusal> {
    let said = |status| format!("the app answered {status} and no grant");
    match answer.status() {
        200 => {
            let intercept = request.loc_conf().intercept();
            if let Some(found) = intercept::find(answer.app_headers(), intercept)? {
                return Ok(Granted::Found(found));
            }
            decide::ask::is_grant(answer)?;
            let grant = decide::ask::parse(request, answer.end(), answer.body())?;
            Ok(Granted::File(grant.file))
        }
        status @ 300..=399 => Err(Refusal::new(Failure::Redirected, said(status))),
        status @ 400..=499 => Err(Refusal::new(Failure::Denied, said(status))),
        _ => Err(decide::ask::neither_yes_nor_no(answer)),
    }
}

/// Where that leads to.
pub(super) fn locate<'r>(
    request: Request<'r>,
    granted: Granted<'_>,
    answer: &Answer<'_>,
) -> Result<Reference<'r>, Refusal> {
    let passed = &|| answer.take_descriptor();
    match granted {
        Granted::File(file) => places::locate(request, &file, passed).map(Reference::Target),
        // Nothing is remembered of what was not sent.
        Granted::Found(found) => {
            intercept::refer(request, &Exchange::new(View::Object), found, passed)
        }
    }
}

/// What is wrong, and what to do.
pub(super) fn explain(refusal: &Refusal) -> String {
    match advice(refusal.failure()) {
        Some(advice) => format!("{refusal}; {advice}"),
        None => refusal.to_string(),
    }
}
