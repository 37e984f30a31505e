//! Days since 1970-01-01 in the Gregorian calendar, carried back before its introduction, as Delta has it.
//! Howard Hinnant, "chrono-compatible low-level date algorithms": years start in March.

pub const MICROS_PER_HOUR: i64 = 3_600_000_000;
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// Of 0001-01-01T00:00:00 and 10000-01-01T00:00:00: the range that Spark and other readers agree on.
pub const FIRST_MICROS: i64 = -62_135_596_800_000_000;
pub const END_MICROS: i64 = 253_402_300_800_000_000;

/// Year, month and day of the month.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

/// The first day of the month.
pub fn month(days: i64) -> i64 {
    days - (civil(days).2 - 1)
}

/// The first day of the year.
pub fn year(days: i64) -> i64 {
    let before = civil(days).0 - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn every_day_is_that_of_the_calendar() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let first = NaiveDate::from_ymd_opt(-5, 1, 1).unwrap();
        for date in first.iter_days().step_by(3).take_while(|date| date.year() < 3000) {
            let days = |date: NaiveDate| (date - epoch).num_days();
            let day = days(date);
            let expected = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            assert_eq!(civil(day), expected);
            assert_eq!(month(day), days(date.with_day(1).unwrap()));
            assert_eq!(year(day), days(NaiveDate::from_ymd_opt(date.year(), 1, 1).unwrap()));
        }
    }

    #[test]
    fn the_range_is_that_of_the_years_1_to_9999() {
        assert_eq!(civil(FIRST_MICROS / MICROS_PER_DAY), (1, 1, 1));
        assert_eq!(civil(END_MICROS / MICROS_PER_DAY - 1), (9999, 12, 31));
    }
}
