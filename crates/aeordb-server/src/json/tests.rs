use super::*;

#[test]
fn times_are_utc_and_rfc_3339() {
    assert_eq!(time(1_705_312_800_123_000_000), "2024-01-15T10:00:00.123Z");
    for extreme in [i64::MIN, i64::MAX] {
        assert!(time(extreme).ends_with('Z'), "{}", time(extreme));
    }
}

#[test]
fn modes_are_shown_as_chmod_takes_them() {
    assert_eq!(mode(0o100_644), "0644");
    assert_eq!(mode(0o4755), "4755");
}

#[test]
fn a_name_that_is_not_text_is_also_given_in_base64() {
    assert_eq!(Value::Object(named("path", b"/a")).to_string(), r#"{"path":"/a"}"#);
    let bytes = Value::Object(named("path", b"/\xff")).to_string();
    assert_eq!(bytes, r#"{"path":"/�","path_b64":"L/8="}"#);
}
