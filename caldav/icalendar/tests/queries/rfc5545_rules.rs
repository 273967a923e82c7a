//! The examples of recurrence rules in RFC 5545 §3.8.5.3, and some of its §3.3.10.

use crate::support::{budget, event, utc, zone};
use kalends_icalendar::{TimeRange, Zone, occurrences, value::format_local};

/// The first occurrences of a rule, as local times of New York.
fn first(dtstart: &str, rule: &str, how_many: usize) -> Vec<String> {
    let object = event(&format!("DTSTART;TZID=America/New_York:{dtstart}\nRRULE:{rule}\n"));
    let window = TimeRange { start: None, end: Some(utc("20300101")) };
    let mut budget = budget();
    let found = occurrences(&object, None, &window, &Zone::Utc, &mut budget);
    assert!(!budget.is_exceeded(), "{rule}");
    let new_york = zone("America/New_York");
    found.iter().take(how_many).map(|found| format_local(new_york.to_local(found.start))).collect()
}

/// Checks days on which something starts at 09:00. A text `1997 0902 0903 1998 0101` lists days by year;
/// `...` at its end says that more follow.
fn days(dtstart: &str, rule: &str, expected: &str) {
    let mut year = "";
    let mut listed = Vec::new();
    let mut endless = false;
    for word in expected.split_whitespace() {
        match word {
            "..." => endless = true,
            _ if word.starts_with("19") || word.starts_with("20") => year = word,
            day => listed.push(format!("{year}{day}T090000")),
        }
    }
    let found = first(&format!("{dtstart}T090000"), rule, if endless { listed.len() } else { usize::MAX });
    assert_eq!(found, listed, "{rule}");
}

const DTSTART: &str = "19970902";

#[test]
fn daily() {
    days(DTSTART, "FREQ=DAILY;COUNT=10", "1997 0902 0903 0904 0905 0906 0907 0908 0909 0910 0911");
    let until = first("19970902T090000", "FREQ=DAILY;UNTIL=19971224T000000Z", usize::MAX);
    assert_eq!((until.len(), until.last().map(String::as_str)), (113, Some("19971223T090000")));
    days(DTSTART, "FREQ=DAILY;INTERVAL=2", "1997 0902 0904 0906 0908 0910 0912 0914 0916 0918 0920 ...");
    days(DTSTART, "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997 0902 0912 0922 1002 1012");
    for rule in [
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
    ] {
        let januaries = first("19980101T090000", rule, usize::MAX);
        assert_eq!((januaries.len(), januaries[92].as_str()), (93, "20000131T090000"), "{rule}");
    }
}

#[test]
fn weekly() {
    days(DTSTART, "FREQ=WEEKLY;COUNT=10", "1997 0902 0909 0916 0923 0930 1007 1014 1021 1028 1104");
    let until = first("19970902T090000", "FREQ=WEEKLY;UNTIL=19971224T000000Z", usize::MAX);
    assert_eq!((until.len(), until[16].as_str()), (17, "19971223T090000"));
    days(
        DTSTART,
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997 0902 0916 0930 1014 1028 1111 1125 1209 1223 1998 0106 ...",
    );
    for rule in
        ["FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH"]
    {
        days(DTSTART, rule, "1997 0902 0904 0909 0911 0916 0918 0923 0925 0930 1002");
    }
    days(
        "19970901",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997 0901 0903 0905 0915 0917 0919 0929 1001 1003 1013 1015 1017 1027 1029 1031 1110 1112 1114 1124 1126 \
         1128 1208 1210 1212 1222",
    );
    days(
        DTSTART,
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997 0902 0904 0916 0918 0930 1002 1014 1016",
    );
}

#[test]
fn the_start_of_the_week_matters() {
    days("19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997 0805 0810 0819 0824");
    days("19970805", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997 0805 0817 0819 0831");
}

#[test]
fn monthly() {
    days(
        "19970905",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997 0905 1003 1107 1205 1998 0102 0206 0306 0403 0501 0605",
    );
    days("19970905", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997 0905 1003 1107 1205");
    days(
        "19970907",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997 0907 0928 1102 1130 1998 0104 0125 0301 0329 0503 0531",
    );
    days("19970922", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997 0922 1020 1117 1222 1998 0119 0216");
    days("19970928", "FREQ=MONTHLY;BYMONTHDAY=-3", "1997 0928 1029 1128 1229 1998 0129 0226 ...");
    days(
        DTSTART,
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997 0902 0915 1002 1015 1102 1115 1202 1215 1998 0102 0115",
    );
    days(
        "19970930",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997 0930 1001 1031 1101 1130 1201 1231 1998 0101 0131 0201",
    );
    days(
        "19970910",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997 0910 0911 0912 0913 0914 0915 1999 0310 0311 0312 0313",
    );
    days(
        DTSTART,
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997 0902 0909 0916 0923 0930 1104 1111 1118 1125 1998 0106 ...",
    );
    days("19970904", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997 0904 1007 1106");
    days(
        "19970929",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997 0929 1030 1127 1230 1998 0129 0226 0330 ...",
    );
    days("20070115", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007 0115 0130 0215 0315 0330");
}

#[test]
fn fridays_the_13th() {
    let object = event(
        "DTSTART;TZID=America/New_York:19970902T090000\nEXDATE;TZID=America/New_York:19970902T090000\n\
         RRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13\n",
    );
    assert_eq!(
        crate::support::starts(&object, "19970101", "20001101"),
        ["19980213T140000Z", "19980313T140000Z", "19981113T140000Z", "19990813T130000Z", "20001013T130000Z"]
    );
    days(
        "19970913",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997 0913 1011 1108 1213 1998 0110 0207 0307 0411 0509 0613 ...",
    );
}

#[test]
fn yearly() {
    days(
        "19970610",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997 0610 0710 1998 0610 0710 1999 0610 0710 2000 0610 0710 2001 0610 0710",
    );
    days(
        "19970310",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997 0310 1999 0110 0210 0310 2001 0110 0210 0310 2003 0110 0210 0310",
    );
    days(
        "19970101",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997 0101 0410 0719 2000 0101 0409 0718 2003 0101 0410 0719 2006 0101",
    );
    days("19970519", "FREQ=YEARLY;BYDAY=20MO", "1997 0519 1998 0518 1999 0517 ...");
    days("19970512", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997 0512 1998 0511 1999 0517 ...");
    days(
        "19970313",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997 0313 0320 0327 1998 0305 0312 0319 0326 1999 0304 ...",
    );
    days(
        "19970605",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997 0605 0612 0619 0626 0703 0710 0717 0724 0731 0807 ...",
    );
    days(
        "19961105",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996 1105 2000 1107 2004 1102 ...",
    );
    days("20000229", "FREQ=YEARLY", "2000 0229 2004 0229 2008 0229 2012 0229 ...");
}

#[test]
fn within_days() {
    let times = |rule: &str, expected: &[&str]| {
        let found = first("19970902T090000", rule, expected.len());
        let expected: Vec<String> = expected.iter().map(|time| format!("199709{time}00")).collect();
        assert_eq!(found, expected, "{rule}");
    };
    times("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", &["02T0900", "02T1200", "02T1500"]);
    times(
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        &["02T0900", "02T0915", "02T0930", "02T0945", "02T1000", "02T1015"],
    );
    times("FREQ=MINUTELY;INTERVAL=90;COUNT=4", &["02T0900", "02T1030", "02T1200", "02T1330"]);
    for rule in [
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40;COUNT=30",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16;COUNT=30",
    ] {
        let found = first("19970902T090000", rule, usize::MAX);
        assert_eq!(
            (found.len(), found[23].as_str(), found[24].as_str()),
            (30, "19970902T164000", "19970903T090000")
        );
    }
}
