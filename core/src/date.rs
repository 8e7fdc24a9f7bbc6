//! Owns how a moment is written in a header field: `IMF-fixdate` (RFC 9110, section 5.6.7). Must
//! not know any clock.

const WEEKDAYS: [[u8; 3]; 7] = [*b"Sun", *b"Mon", *b"Tue", *b"Wed", *b"Thu", *b"Fri", *b"Sat"];

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
    *b"Nov", *b"Dec",
];

const SECONDS_A_DAY: u32 = 24 * 60 * 60;

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// `Sun, 06 Nov 1994 08:49:37 GMT` for 784111777, given in Unix seconds; nothing for what is
/// before 1970 or has a year of five digits.
#[must_use]
pub fn imf_fixdate(seconds: i64) -> Option<[u8; 29]> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST)?;
    let days = (seconds / u64::from(SECONDS_A_DAY)) as u32;
    let rest = (seconds % u64::from(SECONDS_A_DAY)) as u32;
    let (year, month, day) = civil(days);
    // The first of January 1970 was a Thursday.
    let [w0, w1, w2] = *WEEKDAYS.get((days as usize + 4) % 7)?;
    let [m0, m1, m2] = *MONTHS.get(month as usize)?;
    let ([d0, d1], [h0, h1]) = (digits(day), digits(rest / 3600));
    let ([i0, i1], [s0, s1]) = (digits(rest / 60 % 60), digits(rest % 60));
    let ([c0, c1], [y0, y1]) = (digits(year / 100), digits(year % 100));
    Some([
        w0, w1, w2, b',', b' ', d0, d1, b' ', m0, m1, m2, b' ', c0, c1, y0, y1, b' ', h0, h1, b':',
        i0, i1, b':', s0, s1, b' ', b'G', b'M', b'T',
    ])
}

/// Year, month from 0, and day of the month, of the day that many days after 1 January 1970.
///
/// Years begin in March here, so that the leap day is the last of one, and 400 of them, an era,
/// have 146,097 days.
fn civil(days: u32) -> (u32, u32, u32) {
    // Days from 1 March of the year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on months have 31, 30, 31, 30, 31 days, over and over.
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let (month, later) = if from_march < 10 { (from_march + 2, 0) } else { (from_march - 10, 1) };
    (era * 400 + year_of_era + later, month, day)
}

/// Of a number below 100.
fn digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: i64) -> String {
        String::from_utf8(imf_fixdate(seconds).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn known_dates() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(text(seconds), expected);
        }
        for none in [-1, i64::MIN, 253_402_300_800, i64::MAX] {
            assert_eq!(imf_fixdate(none), None);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "millions of rounds")]
    fn every_day_follows_the_one_before() {
        let leap = |year: u32| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..=(LAST / u64::from(SECONDS_A_DAY)) as u32 {
            assert_eq!(civil(days), (year, month, day), "{days}");
            let february = if leap(year) { 29 } else { 28 };
            day += 1;
            if day > [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize] {
                (month, day) = (month + 1, 1);
            }
            if month == 12 {
                (year, month) = (year + 1, 0);
            }
        }
        assert_eq!((year, month, day), (10_000, 0, 1));
    }
}
