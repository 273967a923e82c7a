#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (kalends_fuzz_targets::target("pack").run)(input));
