"""Tasks on dates and times: (what is asked, a solution, what must hold of any solution)."""

AREA = "dates"
_DATE = "    from datetime import date, timedelta\n"
TASKS = [
    (
        "Say whether a year is a leap year in the Gregorian calendar.",
        "def has_leap_day(year: int) -> bool:\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
        ["has_leap_day(2024) == True", "has_leap_day(1900) == False", "has_leap_day(2000) == True"],
    ),
    (
        "Give the number of days of a month (1 to 12) of a year.",
        "def month_days(year: int, month: int) -> int:\n    import calendar\n"
        "    return calendar.monthrange(year, month)[1]",
        ["month_days(2023, 2) == 28", "month_days(2024, 2) == 29", "month_days(2023, 11) == 30"],
    ),
    (
        "Give the number of days from one date to another, both written like 2024-05-31; negative if it goes back.",
        f"def days_apart(start: str, end: str) -> int:\n{_DATE}"
        "    return (date.fromisoformat(end) - date.fromisoformat(start)).days",
        ["days_apart('2024-02-28', '2024-03-01') == 2", "days_apart('2024-01-02', '2024-01-01') == -1"],
    ),
    (
        "Give the English name of the weekday of a date written like 2024-05-31.",
        f"def weekday_name(day: str) -> str:\n{_DATE}"
        "    return ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']"
        "[date.fromisoformat(day).weekday()]",
        ["weekday_name('2024-05-31') == 'Friday'", "weekday_name('2000-01-01') == 'Saturday'"],
    ),
    (
        "Write a number of seconds as hours, minutes and seconds, like 01:02:03; hours may have more digits.",
        "def clock(seconds: int) -> str:\n"
        "    return f'{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}'",
        ["clock(3723) == '01:02:03'", "clock(0) == '00:00:00'", "clock(360000) == '100:00:00'"],
    ),
    (
        "Turn a time like 14:05 into the number of minutes since midnight.",
        "def minutes_of(time: str) -> int:\n    h, m = time.split(':')\n    return int(h) * 60 + int(m)",
        ["minutes_of('14:05') == 845", "minutes_of('00:00') == 0", "minutes_of('09:30') == 570"],
    ),
    (
        "Turn a time of 24 hours like 14:05 into one of 12 hours like 2:05 PM. Midnight is 12:00 AM.",
        "def twelve_hours(time: str) -> str:\n    h, m = time.split(':')\n    h = int(h)\n"
        "    return f\"{h % 12 or 12}:{m} {'PM' if h >= 12 else 'AM'}\"",
        [
            "twelve_hours('14:05') == '2:05 PM'",
            "twelve_hours('00:00') == '12:00 AM'",
            "twelve_hours('12:30') == '12:30 PM'",
        ],
    ),
    (
        "Give the date a number of days after a date; both are written like 2024-05-31.",
        f"def later(day: str, days: int) -> str:\n{_DATE}"
        "    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()",
        ["later('2023-12-31', 1) == '2024-01-01'", "later('2024-03-01', -1) == '2024-02-29'"],
    ),
    (
        "Give someone's age in whole years on a day; birth and day are written like 2024-05-31.",
        "def age_on(birth: str, day: str) -> int:\n    return int(day[:4]) - int(birth[:4]) - (day[5:] < birth[5:])",
        ["age_on('1990-06-15', '2024-06-14') == 33", "age_on('1990-06-15', '2024-06-15') == 34"],
    ),
    (
        "Count the days from Monday to Friday between two dates written like 2024-05-31, both included.",
        f"def work_days(start: str, end: str) -> int:\n{_DATE}"
        "    a, b = date.fromisoformat(start), date.fromisoformat(end)\n"
        "    return sum((a + timedelta(days=i)).weekday() < 5 for i in range((b - a).days + 1))",
        [
            "work_days('2024-05-31', '2024-06-03') == 2",
            "work_days('2024-06-01', '2024-06-02') == 0",
            "work_days('2024-06-03', '2024-06-14') == 10",
        ],
    ),
    (
        "Give the quarter of the year (1 to 4) of a date written like 2024-05-31.",
        "def quarter(day: str) -> int:\n    return (int(day[5:7]) + 2) // 3",
        ["quarter('2024-05-31') == 2", "quarter('2024-01-01') == 1", "quarter('2024-12-31') == 4"],
    ),
    (
        "Turn a date like 31.5.2024 (day, month, year) into one like 2024-05-31.",
        "def iso_date(text: str) -> str:\n    d, m, y = text.split('.')\n    return f'{int(y):04d}-{int(m):02d}-{int(d):02d}'",
        ["iso_date('31.5.2024') == '2024-05-31'", "iso_date('01.12.1999') == '1999-12-01'"],
    ),
    (
        "Give the last day of the month of a date; both are written like 2024-05-31.",
        "def month_end(day: str) -> str:\n    import calendar\n"
        "    return day[:8] + str(calendar.monthrange(int(day[:4]), int(day[5:7]))[1])",
        ["month_end('2024-02-10') == '2024-02-29'", "month_end('2023-12-31') == '2023-12-31'"],
    ),
    (
        "Give the number of a date's day in its year, where 1 January is 1; the date is written like 2024-05-31.",
        "def day_of_year(day: str) -> int:\n    from datetime import date\n"
        "    return date.fromisoformat(day).timetuple().tm_yday",
        ["day_of_year('2024-03-01') == 61", "day_of_year('2023-12-31') == 365", "day_of_year('2023-01-01') == 1"],
    ),
    (
        "Write a number of minutes in words such as 2h 5min; leave out a part that is zero, but 0 gives 0min.",
        "def spoken(minutes: int) -> str:\n    h, m = divmod(minutes, 60)\n"
        "    return ' '.join(([f'{h}h'] if h else []) + ([f'{m}min'] if m or not h else []))",
        ["spoken(125) == '2h 5min'", "spoken(60) == '1h'", "spoken(0) == '0min'", "spoken(59) == '59min'"],
    ),
]
