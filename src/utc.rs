//! How tables write a moment: as MySQL writes a DATETIME, in UTC, so that it compares as a text with what
//! `NOW()` gives and takes part in what is computed with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first moment, since 1970, that has no year of four digits.
pub(crate) const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// `2024-07-22 18:01:39`; none for a moment that cannot be written so.
pub fn utc(time: SystemTime) -> Option<String> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    if since_epoch >= YEAR_10000 {
        return None;
    }
    let mut text = humantime::format_rfc3339_seconds(time).to_string();
    text.truncate(text.len() - "Z".len());
    Some(text.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_now_is() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0).as_deref(), Some("1970-01-01 00:00:00"));
        assert_eq!(at(1_721_671_299).as_deref(), Some("2024-07-22 18:01:39"));
    }

    #[test]
    fn a_server_that_tells_a_moment_out_of_reach_ends_nothing() {
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(utc(UNIX_EPOCH + YEAR_10000), None);
        let last = utc(UNIX_EPOCH + YEAR_10000 - Duration::from_nanos(1));
        assert_eq!(last.as_deref(), Some("9999-12-31 23:59:59"));
    }
}
