//! Times of the calendar, to the second, in UTC: MySQL's DATETIME from year 1 to 9999.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, of a year from 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

const DAY_SECONDS: i64 = 86_400;

impl Moment {
    /// The moment so many seconds after 1970 began; `None` beyond the calendar.
    pub(super) fn at(seconds: i64) -> Option<Self> {
        (FIRST..=LAST).contains(&seconds).then_some(Self(seconds))
    }

    /// A moment of the machine's clock; the nearest of the calendar.
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(LAST);
        Self(seconds.min(LAST))
    }

    pub(super) fn seconds(self) -> i64 {
        self.0
    }

    /// Reads `2024-07-22`, `2024-07-22 18:01:39`, also with `T`, a fraction, which is cut, or `Z` behind it.
    /// `true` beside it: there was a time of day.
    pub(super) fn read(text: &str) -> Option<(Self, bool)> {
        let text = text.trim_ascii();
        let (date, time) = match text.find([' ', 'T']) {
            Some(at) => (&text[..at], text[at + 1..].trim_ascii_start()),
            None => (text, ""),
        };
        let mut parts = date.split('-');
        let mut part = || -> Option<i64> { whole(parts.next()?) };
        let (year, month, day) = (part()?, part()?, part()?);
        if parts.next().is_some()
            || !(1..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=days_of(year, month)).contains(&day)
        {
            return None;
        }
        let time = time.strip_suffix('Z').unwrap_or(time);
        let (clock, _) = time.split_once('.').unwrap_or((time, ""));
        let mut seconds = 0;
        if !clock.is_empty() {
            let mut parts = clock.split(':');
            for (most, unit) in [(23, 3_600), (59, 60), (59, 1)] {
                let part = match parts.next() {
                    Some(part) => whole(part)?,
                    None => 0,
                };
                if part > most {
                    return None;
                }
                seconds += part * unit;
            }
            if parts.next().is_some() {
                return None;
            }
        }
        let moment = Self(days_since_1970(year, month, day) * DAY_SECONDS + seconds);
        Some((moment, !clock.is_empty()))
    }

    /// So many months later; the last day of a month that has no such day.
    fn months_later(self, months: i64) -> Option<Self> {
        let (year, month, day) = date_of(self.0.div_euclid(DAY_SECONDS));
        let count = (year * 12 + month - 1).checked_add(months)?;
        let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
        if !(1..=9999).contains(&year) {
            return None;
        }
        let day = day.min(days_of(year, month));
        let days = days_since_1970(year, month, day);
        Self::at(days * DAY_SECONDS + self.0.rem_euclid(DAY_SECONDS))
    }

    /// So many units later; `None` beyond the calendar.
    pub(super) fn later(self, amount: i64, unit: &str) -> Option<Self> {
        match steps_of(unit)? {
            Step::Seconds(seconds) => Self::at(self.0.checked_add(amount.checked_mul(seconds)?)?),
            Step::Months(months) => self.months_later(amount.checked_mul(months)?),
        }
    }

    /// Whole units from this moment to another.
    pub(super) fn until(self, other: Self, unit: &str) -> Option<i64> {
        Some(match steps_of(unit)? {
            Step::Seconds(seconds) => (other.0 - self.0) / seconds,
            Step::Months(months) => {
                let (from, to, sign) = if self <= other {
                    (self, other, 1)
                } else {
                    (other, self, -1)
                };
                let day_and_clock = |moment: Self| {
                    let (year, month, day) = date_of(moment.0.div_euclid(DAY_SECONDS));
                    (year * 12 + month, (day, moment.0.rem_euclid(DAY_SECONDS)))
                };
                let ((first, begin), (last, end)) = (day_and_clock(from), day_and_clock(to));
                let whole = last - first - i64::from(end < begin);
                sign * (whole / months)
            }
        })
    }

    /// Its date.
    pub(super) fn date(self) -> String {
        let (year, month, day) = date_of(self.0.div_euclid(DAY_SECONDS));
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// As MySQL writes it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = self.0.rem_euclid(DAY_SECONDS);
        let (hours, minutes, seconds) = (clock / 3_600, clock / 60 % 60, clock % 60);
        write!(f, "{} {hours:02}:{minutes:02}:{seconds:02}", self.date())
    }
}

/// What a unit consists of.
enum Step {
    Seconds(i64),
    Months(i64),
}

fn steps_of(unit: &str) -> Option<Step> {
    Some(match unit {
        "SECOND" => Step::Seconds(1),
        "MINUTE" => Step::Seconds(60),
        "HOUR" => Step::Seconds(3_600),
        "DAY" => Step::Seconds(DAY_SECONDS),
        "WEEK" => Step::Seconds(7 * DAY_SECONDS),
        "MONTH" => Step::Months(1),
        "QUARTER" => Step::Months(3),
        "YEAR" => Step::Months(12),
        _ => return None,
    })
}

/// 0001-01-01 00:00:00 and 9999-12-31 23:59:59.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

fn whole(digits: &str) -> Option<i64> {
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. Years begin in March, so that a leap day is the last of its year.
/// <https://howardhinnant.github.io/date_algorithms.html>
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::read(text).unwrap_or_else(|| panic!("{text}")).0
    }

    #[test]
    fn a_moment_reads_back_as_written() {
        for text in [
            "0001-01-01 00:00:00",
            "1970-01-01 00:00:00",
            "2000-02-29 12:30:59",
            "2024-12-31 23:59:59",
            "9999-12-31 23:59:59",
        ] {
            assert_eq!(moment(text).to_string(), text);
        }
        assert_eq!(moment("2024-07-22T18:01:39Z").seconds(), 1_721_671_299);
        assert_eq!(moment("2024-7-2 8:1").to_string(), "2024-07-02 08:01:00");
        assert_eq!(
            (moment("0001-01-01").0, LAST),
            (FIRST, moment("9999-12-31 23:59:59").0)
        );
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2023-02-29",
            "2024-01-01 24:00",
            "x-y-z",
            "2024-01-01 1:2:3:4",
        ] {
            assert_eq!(Moment::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_month_later_is_the_same_day_or_the_last() {
        for (from, amount, unit, to) in [
            ("2024-01-31", 1, "MONTH", "2024-02-29 00:00:00"),
            ("2024-03-31", -1, "MONTH", "2024-02-29 00:00:00"),
            ("2024-02-29", 1, "YEAR", "2025-02-28 00:00:00"),
            ("2024-11-30", 1, "QUARTER", "2025-02-28 00:00:00"),
            ("2024-12-31 23:59:59", 1, "SECOND", "2025-01-01 00:00:00"),
            ("2024-01-01", -1, "WEEK", "2023-12-25 00:00:00"),
        ] {
            let moved = moment(from).later(amount, unit).expect(from);
            assert_eq!(moved.to_string(), to, "{from} + {amount} {unit}");
        }
        assert_eq!(moment("9999-12-31").later(1, "DAY"), None);
        assert_eq!(moment("9999-12-31").later(i64::MAX, "YEAR"), None);
    }

    #[test]
    fn a_difference_counts_whole_units() {
        for (from, to, unit, whole) in [
            ("2024-01-01", "2024-01-01 00:01:59", "MINUTE", 1),
            ("2024-01-31", "2024-02-29", "MONTH", 0),
            ("2024-01-15", "2024-03-15", "MONTH", 2),
            ("2024-03-15", "2024-01-16", "MONTH", -1),
            ("2024-01-01", "2025-12-31", "YEAR", 1),
            ("2024-01-02", "2024-01-01", "HOUR", -24),
        ] {
            assert_eq!(
                moment(from).until(moment(to), unit),
                Some(whole),
                "{from} {to}"
            );
        }
    }
}
