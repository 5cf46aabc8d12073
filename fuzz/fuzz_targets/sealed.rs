#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aeordb::testing::run_target("sealed", data));
