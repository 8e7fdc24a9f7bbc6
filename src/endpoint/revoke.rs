//! `download_revoke`: decisions are forgotten before they expire, in all zones and workers, and
//! transfers that depend on them are cut.
//!
//! `POST ?tag=T` or `?key=PART&key=PART`, several of them if need be, in the query string or in a
//! form; `cut=1` cuts transfers as well. The answer is `{"revoked": N}`.

use nginx_download_core::cache::{Id, Revocation, Secret};
use nginx_download_core::query::{self, Argument};

use crate::nginx::{Level, Method, Status, now_msec};
use crate::zone::{Signal, Zone};
use crate::{Request, answer};

/// Blocks of a zone that are looked at before other workers get a turn.
const TURN: u32 = 4096;

pub(crate) fn handle(request: Request<'_>) -> Status {
    if request.method() != Method::Post {
        return answer::refuse_method(request, b"POST");
    }
    request.read_body(with_body)
}

fn with_body(request: Request<'_>, body: Option<&[u8]>) -> Status {
    let order = match body {
        Some(body) => Order::read([request.args(), body]),
        None => Err("the form is larger than client_body_buffer_size".to_owned()),
    };
    let (status, json) = match order {
        Ok(order) => (200, format!("{{\"revoked\": {}}}\n", order.carry_out(request))),
        Err(why) => (400, format!("{{\"error\": \"{why}\"}}\n")),
    };
    answer::json(request, status, json.as_bytes())
}

/// What is to be revoked.
#[derive(Default)]
struct Order {
    tags: Vec<Vec<u8>>,
    /// The parts of a key.
    key: Vec<Vec<u8>>,
    cut: bool,
}

impl Order {
    /// Reads the query string and the form; what is not understood could be a misspelt tag.
    fn read<'a>(queries: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, String> {
        let mut order = Self::default();
        for argument in queries.into_iter().flat_map(query::arguments) {
            order.take(argument)?;
        }
        if order.tags.is_empty() && order.key.is_empty() {
            return Err("tag=... or key=... is missing".to_owned());
        }
        Ok(order)
    }

    fn take(&mut self, argument: Argument<'_>) -> Result<(), String> {
        let value = query::decode(argument.value).map_err(|_| "an argument has a bad escape")?;
        if value.is_empty() {
            return Err("an argument is empty".to_owned());
        }
        if argument.is(b"tag") {
            self.tags.push(value.into_owned());
        } else if argument.is(b"key") {
            self.key.push(value.into_owned());
        } else if argument.is(b"cut") && matches!(&*value, b"0" | b"1") {
            self.cut = &*value == b"1";
        } else {
            return Err("only tag=, key= and cut=0 or cut=1 are known".to_owned());
        }
        Ok(())
    }

    /// Gives the number of decisions that were forgotten.
    fn carry_out(&self, request: Request<'_>) -> u64 {
        let zones = request.main_conf().zones.iter();
        let count = zones.map(|zone| self.carry_out_in(zone)).sum();
        let names = [("tag", &self.tags), ("key", &self.key)];
        let names = names.iter().flat_map(|(kind, names)| {
            names.iter().map(move |name| format!(" {kind}={}", name.escape_ascii()))
        });
        let names: String = names.collect();
        let cut = if self.cut { ", transfers cut" } else { "" };
        let text = format_args!("download_revoke:{names}: {count} forgotten{cut}");
        request.log(Level::Notice, 0, text);
        if let Some(tally) = request.main_conf().tally.get() {
            tally.revoked(count);
        }
        count
    }

    fn carry_out_in(&self, zone: &Zone) -> u64 {
        let Some(ids) = zone.secret().map(|secret| self.ids(secret)) else { return 0 };
        let mut revocation = Revocation::new(now_msec());
        zone.with(|table| table.revoke(&ids, self.cut));
        while zone.with(|table| table.forget(&mut revocation, &ids, TURN)) == Some(true) {}
        // Only now: what a worker took to hand meanwhile is void as well.
        zone.raise(Signal::Forgotten);
        if self.cut {
            zone.raise(Signal::Cut);
        }
        revocation.count
    }

    fn ids(&self, secret: Secret) -> Vec<Id> {
        let tags = self.tags.iter().map(|tag| Id::of_tag(secret, tag));
        let key = Id::of_key(secret, self.key.iter().map(Vec::as_slice));
        tags.chain(key).collect()
    }
}
