//! Detects the nginx at hand and proves that the bindings describe it.
//!
//! nginx-sys makes its bindings with bindgen 0.72, which places the bit-fields of
//! `ngx_http_request_t` wrongly for nginx 1.29.3 and later (rust-bindgen issue 3384), without
//! any error. So the C compiler that would build nginx is asked instead: a small program prints
//! the size of each structure in use, the offset of each plain field in use, and where the bits
//! of each bit-field in use are. Sizes and offsets become `const` assertions on nginx-sys's
//! types; the places of the bits become the constants that `src/nginx/bits.rs` works with.
//! bindgen's own bit-field accessors are used nowhere.

#![allow(clippy::expect_used, reason = "a build script ends the build by panicking")]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Structure, and the bit-fields of it in use.
const BIT_FIELDS: &[(&str, &[&str])] = &[
    (
        "ngx_http_request_t",
        &[
            "count",
            "buffered",
            "internal",
            "keepalive",
            "header_only",
            "header_sent",
            "done",
            "error_page",
            "request_complete",
            "filter_finalize",
            "root_tested",
            "allow_ranges",
            "disable_not_modified",
            "single_range",
            "filter_need_in_memory",
            "request_body_in_single_buf",
            "valid_unparsed_uri",
            "limit_rate_set",
            "limit_rate_after_set",
        ],
    ),
    ("ngx_http_headers_in_t", &["chunked"]),
    ("ngx_http_upstream_t", &["keepalive", "cacheable", "store", "header_sent"]),
    ("ngx_http_upstream_headers_in_t", &["chunked", "connection_close"]),
    ("ngx_connection_t", &["error"]),
    ("ngx_event_t", &["ready", "eof", "error", "pending_eof", "cancelable", "timer_set", "posted"]),
    ("ngx_buf_t", &["temporary", "memory", "in_file", "last_buf", "last_in_chain"]),
    ("ngx_file_t", &["directio"]),
    (
        "ngx_open_file_info_t",
        &["disable_symlinks", "errors", "events", "is_file", "is_dir", "is_directio"],
    ),
    ("ngx_variable_value_t", &["len", "valid", "no_cacheable", "not_found"]),
    ("ngx_http_core_loc_conf_t", &["noname", "named", "exact_match"]),
];

/// Structure, and the plain fields of it in use.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "ngx_http_request_t",
        &[
            "connection",
            "ctx",
            "main_conf",
            "loc_conf",
            "read_event_handler",
            "write_event_handler",
            "upstream",
            "pool",
            "headers_in",
            "headers_out",
            "request_body",
            "method",
            "method_name",
            "http_version",
            "uri",
            "unparsed_uri",
            "args",
            "exten",
            "main",
            "parent",
            "post_subrequest",
            "postponed",
            "limit_rate",
            "limit_rate_after",
            "header_size",
            "err_status",
        ],
    ),
    (
        "ngx_http_headers_in_t",
        &[
            "headers",
            "range",
            "if_range",
            "if_match",
            "if_none_match",
            "if_modified_since",
            "if_unmodified_since",
            "content_length",
            "transfer_encoding",
            "expect",
            "te",
            "accept_encoding",
            "authorization",
            "content_length_n",
        ],
    ),
    (
        "ngx_http_headers_out_t",
        &[
            "headers",
            "status",
            "status_line",
            "server",
            "date",
            "content_length",
            "content_encoding",
            "content_range",
            "accept_ranges",
            "link",
            "override_charset",
            "location",
            "refresh",
            "last_modified",
            "www_authenticate",
            "expires",
            "etag",
            "content_type_len",
            "content_type",
            "charset",
            "content_type_lowcase",
            "cache_control",
            "content_length_n",
            "last_modified_time",
        ],
    ),
    ("ngx_http_request_body_t", &["bufs"]),
    ("ngx_table_elt_t", &["hash", "key", "value", "lowcase_key"]),
    ("ngx_list_t", &["last", "part", "size", "nalloc"]),
    ("ngx_list_part_t", &["elts", "nelts", "next"]),
    (
        "ngx_connection_t",
        &[
            "data",
            "read",
            "write",
            "fd",
            "recv",
            "recv_chain",
            "log",
            "sent",
            "pool",
            "sockaddr",
            "number",
        ],
    ),
    ("ngx_event_t", &["data", "handler", "log", "timer", "queue"]),
    ("ngx_rbtree_node_t", &["key"]),
    ("ngx_shm_zone_t", &["data", "shm", "init"]),
    ("ngx_shm_t", &["addr", "name", "log"]),
    ("ngx_slab_pool_t", &["pfree", "mutex"]),
    ("ngx_buf_t", &["pos", "last", "file_pos", "file_last", "start", "end", "file"]),
    ("ngx_chain_t", &["buf", "next"]),
    ("ngx_file_t", &["fd", "name", "log"]),
    (
        "ngx_open_file_info_t",
        &[
            "fd",
            "mtime",
            "size",
            "directio",
            "read_ahead",
            "err",
            "failed",
            "valid",
            "min_uses",
            "disable_symlinks_from",
        ],
    ),
    ("ngx_variable_value_t", &["data"]),
    (
        "ngx_http_core_loc_conf_t",
        &[
            "name",
            "loc_conf",
            "handler",
            "types_hash",
            "default_type",
            "aio",
            "etag",
            "directio",
            "read_ahead",
            "open_file_cache",
            "open_file_cache_valid",
            "open_file_cache_min_uses",
            "open_file_cache_errors",
            "open_file_cache_events",
            "log_not_found",
        ],
    ),
    ("ngx_http_post_subrequest_t", &["handler", "data"]),
    ("ngx_http_postponed_request_t", &["request", "next"]),
    (
        "ngx_http_upstream_t",
        &["conf", "headers_in", "buffer", "cleanup", "output", "peer", "state"],
    ),
    ("ngx_http_upstream_state_t", &["response_length"]),
    ("ngx_http_upstream_headers_in_t", &["headers", "status_n", "content_length_n"]),
    ("ngx_http_upstream_conf_t", &["ignore_headers", "module"]),
    ("ngx_http_upstream_main_conf_t", &["upstreams"]),
    ("ngx_http_upstream_srv_conf_t", &["peer", "srv_conf", "servers", "host"]),
    ("ngx_http_upstream_peer_t", &["init"]),
    ("ngx_http_upstream_server_t", &["name", "addrs", "naddrs"]),
    ("ngx_addr_t", &["sockaddr"]),
    ("ngx_array_t", &["elts", "nelts"]),
    ("ngx_output_chain_ctx_t", &["output_filter", "filter_ctx"]),
    ("ngx_peer_connection_t", &["connection"]),
    ("ngx_os_io_t", &["recv"]),
    ("ngx_cycle_t", &["modules", "log"]),
    ("ngx_pool_t", &["cleanup", "log"]),
    ("ngx_pool_cleanup_t", &["handler", "data", "next"]),
    ("ngx_pool_cleanup_file_t", &["fd", "name", "log"]),
    ("ngx_log_t", &["log_level", "action"]),
    ("ngx_conf_t", &["args", "cycle", "pool", "log", "ctx"]),
    ("ngx_array_t", &["elts", "nelts"]),
    ("ngx_command_t", &["name", "type_", "set", "conf", "offset", "post"]),
    (
        "ngx_module_t",
        &["ctx_index", "name", "ctx", "commands", "type_", "init_process", "exit_process"],
    ),
    ("ngx_http_variable_t", &["get_handler", "data", "flags"]),
    ("ngx_http_conf_ctx_t", &["main_conf", "srv_conf", "loc_conf"]),
    ("ngx_http_core_srv_conf_t", &["server_names"]),
    ("ngx_http_core_main_conf_t", &["ports"]),
    ("ngx_http_conf_port_t", &["addrs"]),
    ("ngx_http_conf_addr_t", &["opt", "servers"]),
    ("ngx_http_listen_opt_t", &["addr_text"]),
    ("ngx_http_server_name_t", &["name"]),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // nginx loads modules with RTLD_GLOBAL: without this, another build of the module that is loaded
    // by a reload would find the structures of the one that is there, and change nothing.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    detect_nginx();
    let layout = probe_layout();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("layout.rs"), layout).expect("OUT_DIR is writable");
}

/// Hands what nginx-sys found out about this nginx to the compiler as `cfg`s.
fn detect_nginx() {
    for name in ["FEATURES", "FEATURES_CHECK", "VERSION_NUMBER", "INCLUDE", "CFLAGS"] {
        println!("cargo::rerun-if-env-changed=DEP_NGINX_{name}");
    }
    let known = env::var("DEP_NGINX_FEATURES_CHECK").unwrap_or_else(|_| "any()".into());
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({known}))");
    let features = env::var("DEP_NGINX_FEATURES").unwrap_or_default();
    for feature in features.split(',').filter(|f| !f.is_empty()) {
        println!("cargo::rustc-cfg=ngx_feature=\"{feature}\"");
    }

    // 1.23.0 links headers of one name by `next` where arrays of pointers were before.
    println!("cargo::rustc-check-cfg=cfg(nginx_linked_headers)");
    let version: u32 = env::var("DEP_NGINX_VERSION_NUMBER")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or_else(|| refuse("nginx-sys did not tell the version of nginx"));
    if version >= 1_023_000 {
        println!("cargo::rustc-cfg=nginx_linked_headers");
    }
    if version < 1_018_000 {
        refuse(&format!("nginx {version} is too old: 1.18.0 is the oldest supported"));
    }
}

/// Compiles and runs the probe and turns its output into Rust.
fn probe_layout() -> String {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let source = out.join("probe.c");
    let program = out.join("probe");
    fs::write(&source, probe_source()).expect("OUT_DIR is writable");

    let mut compile = compiler();
    compile.arg(&source).arg("-o").arg(&program);
    let compiled = compile.output().unwrap_or_else(|e| refuse(&format!("no C compiler: {e}")));
    if !compiled.status.success() {
        let stderr = String::from_utf8_lossy(&compiled.stderr);
        refuse(&format!("this nginx lacks a structure or field that the module uses:\n{stderr}"));
    }
    let run = Command::new(&program).output().expect("the probe was just built");
    assert!(run.status.success(), "the layout probe failed: {:?}", run.status);
    render(&String::from_utf8(run.stdout).expect("the probe prints ASCII"))
}

/// The C compiler with the include paths and definitions that nginx is built with.
fn compiler() -> Command {
    let mut command = cc::Build::new().opt_level(0).warnings(false).get_compiler().to_command();
    let includes = env::var_os("DEP_NGINX_INCLUDE")
        .unwrap_or_else(|| refuse("nginx-sys did not tell nginx's include paths"));
    for path in env::split_paths(&includes) {
        command.arg("-I").arg(absolute(&path));
    }
    command.args(env::var("DEP_NGINX_CFLAGS").unwrap_or_default().split_whitespace());
    command
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Fields that only some builds of nginx have: structure, field, feature.
type Optional = (&'static str, &'static str, &'static str);
const OPTIONAL_FIELDS: &[Optional] = &[("ngx_http_request_t", "cache", "http_cache")];
const OPTIONAL_BIT_FIELDS: &[Optional] = &[("ngx_http_request_t", "cached", "http_cache")];

/// Structures and fields: those that are always there, and those of `optional` that this nginx has.
fn all_fields(
    always: &'static [(&'static str, &'static [&'static str])],
    optional: &'static [Optional],
) -> Vec<(&'static str, &'static str)> {
    let features = env::var("DEP_NGINX_FEATURES").unwrap_or_default();
    let is_there = |feature: &str| features.split(',').any(|there| there == feature);
    let always = always.iter().flat_map(|(of, fields)| fields.iter().map(|field| (*of, *field)));
    let optional = optional.iter().filter(|(_, _, feature)| is_there(feature));
    always.chain(optional.map(|(of, field, _)| (*of, *field))).collect()
}

fn probe_source() -> String {
    let mut c = String::from(
        "#include <ngx_config.h>\n#include <ngx_core.h>\n#include <ngx_http.h>\n\
         #include <stdio.h>\n#include <string.h>\n#include <stddef.h>\n\
         typedef ngx_http_variable_value_t probe_value_t;\n\
         static void bits(const char *s, const char *f, const unsigned char *p, size_t n) {\n\
             long first = -1, last = -1; size_t i;\n\
             for (i = 0; i < n * 8; i++) if (p[i / 8] >> (i % 8) & 1) \
                 { if (first < 0) first = i; last = i; }\n\
             printf(\"bits %s %s %ld %ld\\n\", s, f, first, last - first + 1);\n\
         }\n\
         int main(void) {\n",
    );
    for (structure, field) in all_fields(BIT_FIELDS, OPTIONAL_BIT_FIELDS) {
        writeln!(
            c,
            "{{ {structure} v; memset(&v, 0, sizeof(v)); v.{field} = ~0u; \
             bits(\"{structure}\", \"{field}\", (unsigned char *) &v, sizeof(v)); }}"
        )
        .expect("a String takes all");
    }
    for (structure, _) in FIELDS {
        writeln!(c, "printf(\"size {structure} %zu\\n\", sizeof({structure}));")
            .expect("a String takes all");
    }
    for (structure, field) in all_fields(FIELDS, OPTIONAL_FIELDS) {
        let c_field = field.trim_end_matches('_');
        writeln!(
            c,
            "printf(\"field {structure} {field} %zu\\n\", offsetof({structure}, {c_field}));"
        )
        .expect("a String takes all");
    }
    c.push_str("return 0; }\n");
    c
}

/// One line of the probe's output is one item.
fn render(probed: &str) -> String {
    let mut rust = String::from("// Made by build.rs from what the C compiler says.\n");
    for line in probed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let item = match words[..] {
            ["bits", structure, field, first, width] => {
                let name = format!("{}_{field}", structure.trim_end_matches("_t")).to_uppercase();
                format!(
                    "pub(crate) const {name}: Bits<nginx_sys::{structure}> = \
                     Bits::new({first}, {width});"
                )
            }
            ["size", structure, size] => check(
                &format!("core::mem::size_of::<nginx_sys::{structure}>() == {size}"),
                &format!("the size of {structure}"),
            ),
            ["field", structure, field, offset] => check(
                &format!("core::mem::offset_of!(nginx_sys::{structure}, {field}) == {offset}"),
                &format!("the place of {structure}.{field}"),
            ),
            _ => refuse(&format!("unexpected line of the layout probe: {line}")),
        };
        rust.push_str(&item);
        rust.push('\n');
    }
    rust
}

fn check(condition: &str, what: &str) -> String {
    format!(
        "const _: () = assert!({condition}, \"nginx-sys and the C compiler disagree about {what} \
         in this nginx: the module would corrupt memory and is not built\");"
    )
}

fn refuse(why: &str) -> ! {
    println!("cargo::error={}", why.replace('\n', " | "));
    std::process::exit(1)
}
