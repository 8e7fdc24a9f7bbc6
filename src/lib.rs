//! `ngx_http_download_module`: the app decides who may have which file, nginx sends it.
//!
//! Read it in the order of a request: [`entry`] is where nginx comes in, [`decide`] asks the
//! app, [`locate`] finds out where the file is, [`deliver`] sends it. [`exchange`] is what is
//! remembered of one request, [`config`] what nginx.conf said. All of that is safe code over
//! two grounds that never meet: the pure crate `nginx-download-core`, and [`nginx`], the fence
//! around FFI.

#![deny(unsafe_code)]

mod answer;
mod config;
mod decide;
mod deliver;
mod endpoint;
mod entry;
mod exchange;
mod explain;
mod locate;
mod modules;
mod nginx;
mod refusal;
mod tally;
mod variables;
mod zone;

use config::{LocConf, MainConf};
use exchange::Exchange;
use nginx::{Conf, ConfError, Directive, HttpModule, RawModule, Status, Variable};

/// The module, as nginx is told of it.
pub(crate) struct Download;

/// A request that the module has to do with.
pub(crate) type Request<'r> = nginx::Request<'r, Download>;

impl HttpModule for Download {
    type MainConf = MainConf;
    type LocConf = LocConf;
    type Exchange = Exchange;

    const DIRECTIVES: &'static [Directive<Self>] = config::directives::TABLE;
    const VARIABLES: &'static [Variable<Self>] = variables::TABLE;

    fn raw() -> RawModule {
        &raw const modules::ngx_http_download_module
    }

    fn raw_filter() -> RawModule {
        &raw const modules::ngx_http_download_filter_module
    }

    fn merge(conf: &mut Conf<'_>, parent: &LocConf, child: &mut LocConf) -> Result<(), ConfError> {
        config::merge(conf, parent, child)
    }

    fn handle(request: Request<'_>) -> Status {
        entry::handler::handle(request)
    }

    fn has_filters(main: &MainConf) -> bool {
        main.filters.get()
    }

    fn filter_header(request: Request<'_>, exchange: &Exchange) -> Result<(), Status> {
        entry::filter::header(request, exchange)
    }

    fn filter_body(request: Request<'_>, exchange: &Exchange) -> Result<(), Status> {
        entry::filter::body(request, exchange)
    }

    fn filter_app(request: Request<'_>) -> Result<(), Status> {
        entry::intercept::header(request)
    }

    fn has_before_content(main: &MainConf) -> bool {
        main.before_content.get()
    }

    fn is_checked_before_content(conf: &LocConf) -> bool {
        conf.before_content
    }

    fn before_content(request: Request<'_>) -> Result<(), Status> {
        entry::before_content(request)
    }

    fn has_log(main: &MainConf) -> bool {
        main.tally.get().is_some()
    }

    fn log(request: Request<'_>, exchange: &Exchange) {
        entry::log::log(request, exchange);
    }
}
