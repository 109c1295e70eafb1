//! Functions of times, which are texts such as `2024-07-22 18:01:39`. A text that is no time is NULL.

use super::{Answer, Arguments, Definition};
use crate::sql::moment::Moment;
use crate::wire::answer::SqlError;

pub(super) const FUNCTIONS: &[Definition] = &[
    ("my_moment", 1, |a| Ok(answer(moment(a, 0)))),
    ("my_unix_timestamp", 1, |a| {
        Ok(moment(a, 0).map_or(Answer::Null, |moment| {
            Answer::Whole(moment.seconds().max(0))
        }))
    }),
    ("my_from_unixtime", 1, |a| {
        let seconds = a.whole(0);
        Ok(answer(
            Moment::at(seconds).filter(|_| (0..=SECONDS_MAX).contains(&seconds)),
        ))
    }),
    ("my_moved", 3, |a| Ok(answer(moved(a)))),
    ("my_moved_text", 3, moved_text),
    ("my_timestampdiff", 3, |a| {
        let between = moment(a, 1).zip(moment(a, 2));
        let units = between.and_then(|(from, to)| from.until(to, a.text(0)));
        Ok(units.map_or(Answer::Null, Answer::Whole))
    }),
];

/// The last moment of `FROM_UNIXTIME`: 2038-01-19, where MariaDB and older servers end.
const SECONDS_MAX: i64 = i32::MAX as i64;

fn moment(a: &Arguments<'_, '_>, at: usize) -> Option<Moment> {
    Moment::read(a.text(at)).map(|(moment, _)| moment)
}

fn answer(moment: Option<Moment>) -> Answer {
    moment.map_or(Answer::Null, |moment| Answer::Text(moment.to_string()))
}

/// `(moment, amount, unit)`
fn moved(a: &Arguments<'_, '_>) -> Option<Moment> {
    moment(a, 0)?.later(a.whole(1), a.text(2))
}

/// The same of a text: a date stays one as long as there are only days to add.
fn moved_text(a: &Arguments<'_, '_>) -> Result<Answer, SqlError> {
    let has_clock = Moment::read(a.text(0)).is_some_and(|(_, has_clock)| has_clock);
    let of_the_clock = matches!(a.text(2), "SECOND" | "MINUTE" | "HOUR");
    Ok(match moved(a) {
        Some(moment) if !has_clock && !of_the_clock => Answer::Text(moment.date()),
        moment => answer(moment),
    })
}
