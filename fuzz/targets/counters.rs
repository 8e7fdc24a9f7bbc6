//! Counters and the last failures over any memory: what is read out of it can be shown.
#![no_main]

use std::sync::atomic::AtomicU64;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nginx_download_core::counters::{Counter, Counters, Event, Last, NUMBERS, View, masked};
use nginx_download_core::failure::Failure;

#[derive(Arbitrary, Debug)]
struct Given<'a> {
    numbers: Vec<u64>,
    missing: u8,
    memory: &'a [u8],
    names: Vec<&'a str>,
    detail: &'a str,
}

fuzz_target!(|given: Given| {
    let mut numbers = given.numbers;
    numbers.resize(NUMBERS - usize::from(given.missing) % NUMBERS, 0);
    let numbers: Vec<AtomicU64> = numbers.into_iter().map(AtomicU64::new).collect();
    let counters = Counters::new(&numbers);
    for (worker, name) in given.names.iter().enumerate() {
        let slot = counters.slot(name);
        counters.count(worker, Counter::files(slot));
        counters.observe_ask(worker, name.len() as u64);
    }
    let _ = counters.sums();

    let mut memory = given.memory.to_vec();
    memory.resize(64 * 1024, 0);
    let mut last = Last::open(&mut memory).expect("it is large enough");
    let event = Event {
        time: 7,
        view: View::Intercept,
        failure: Failure::Internal,
        status: 500,
        detail: masked(Failure::Internal, given.detail),
    };
    last.push(&event);
    let failures = last.failures();
    // how many there were stands at the start, and may be at its end
    if given.memory.first_chunk() != Some(&[0xff; 8]) {
        assert!(failures.iter().any(|kept| kept.time == 7 && kept.status == 500), "{failures:?}");
    }
    let _ = last.denials();
});
