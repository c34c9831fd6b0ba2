//! Spellings of options from before Flink 1.11, mended with a notice each.

use freshet_types::Options;

/// Gives option `old` the name `new`, unless that is there too.
pub(crate) fn rename(options: &mut Options, old: &str, new: &str, notices: &mut Vec<String>) {
    let Some(value) = options.remove(old) else { return };
    if options.get(new).is_some() {
        notices.push(format!("option '{old}' is an old spelling of '{new}', which is there too: it is left out"));
    } else {
        // A notice is read by more people than a secret.
        let is_secret = ["password", "jaas", "secret", "key"].iter().any(|word| new.contains(word));
        let shown = if is_secret { "..." } else { &value };
        notices.push(format!("option '{old}' is an old spelling: '{new}' = '{shown}' was assumed"));
        options.set(new, value);
    }
}

/// Leaves out what lost its meaning, and mends the format's name and its options.
pub(crate) fn mend(options: &mut Options, notices: &mut Vec<String>) {
    for ignored in [
        "connector.version",
        "connector.property-version",
        "format.derive-schema",
        "format.property-version",
        "update-mode",
    ] {
        if options.remove(ignored).is_some() {
            notices.push(format!("option '{ignored}' has no meaning any more and is left out"));
        }
    }
    rename(options, "format.type", "format", notices);
    let Some(format) = options.get("format").map(str::to_string) else { return };
    for name in [
        "ignore-parse-errors",
        "fail-on-missing-field",
        "field-delimiter",
        "quote-character",
        "escape-character",
        "null-literal",
        "allow-comments",
        "array-element-delimiter",
        "disable-quote-character",
    ] {
        rename(options, &format!("format.{name}"), &format!("{format}.{name}"), notices);
    }
}
