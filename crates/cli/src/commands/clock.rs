//! Times within a video as people write them. In: milliseconds. Out: text.

/// `1:02:03.4`, hours where there are some.
pub(crate) fn clock(time_ms: u64) -> String {
    let (tenths, seconds) = (time_ms / 100 % 10, time_ms / 1000 % 60);
    let (minutes, hours) = (time_ms / 60_000 % 60, time_ms / 3_600_000);
    match hours {
        0 => format!("{minutes}:{seconds:02}.{tenths}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{tenths}"),
    }
}
