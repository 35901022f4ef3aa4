#!/usr/bin/env python3
"""Write crates/bptt-cli/data/seattle-weather.csv: a next-day forecast by month.

Source: the daily weather of Seattle, 2012-01-01 to 2015-12-31, recorded by the
United States National Oceanic and Atmospheric Administration (NOAA), as the
file seattle-weather.csv of the Python package vega_datasets 0.9.0.

Licence: the records are a work of the United States government and in the
public domain.

Columns, one row a day, one sequence a month:

    name             the month, such as 2012-01; names the sequence
    t                the day of the month, 1 to 31
    x_precipitation  precipitation of the day, mm
    x_temp_max       maximum temperature of the day, degrees Celsius
    x_temp_min       minimum temperature of the day, degrees Celsius
    x_wind           average wind speed of the day, m/s
    x_season_sin     sin(2 pi d / 365.25), d the day of the year from 1, no unit
    x_season_cos     cos(2 pi d / 365.25), no unit
    y_temp_max_next  maximum temperature of the next calendar day, degrees
                     Celsius; on a month's last day that is the next month's
                     first

The last day of the record has no next day and is left out: 1460 rows remain,
in 48 sequences.

Run, from anywhere:

    pip install vega_datasets==0.9.0
    python tools/make_weather.py

The file it writes is the same, byte for byte, on every run.
"""

import csv
import datetime
import importlib.util
import math
import pathlib
import sys

OUTPUT = (
    pathlib.Path(__file__).resolve().parent.parent
    / "crates/bptt-cli/data/seattle-weather.csv"
)
HEADER = (
    "name,t,x_precipitation,x_temp_max,x_temp_min,x_wind,"
    "x_season_sin,x_season_cos,y_temp_max_next"
)


def source():
    """The path of the package's own copy of the record."""
    # Found, not imported: importing the package would need pandas.
    spec = importlib.util.find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        sys.exit("vega_datasets is missing: pip install vega_datasets==0.9.0")
    return pathlib.Path(spec.origin).parent / "_data" / "seattle-weather.csv"


def main():
    with open(source(), encoding="utf-8", newline="") as file:
        days = list(csv.DictReader(file))
    dates = [datetime.datetime.strptime(d["date"], "%Y/%m/%d").date() for d in days]

    lines = [HEADER]
    for day, date, after, date_after in zip(days, dates, days[1:], dates[1:]):
        if date_after - date != datetime.timedelta(days=1):
            sys.exit(f"the record jumps from {date} to {date_after}")
        angle = 2 * math.pi * date.timetuple().tm_yday / 365.25
        cells = [
            f"{date:%Y-%m}",
            str(date.day),
            day["precipitation"],
            day["temp_max"],
            day["temp_min"],
            day["wind"],
            f"{math.sin(angle):.6f}",
            f"{math.cos(angle):.6f}",
            after["temp_max"],
        ]
        lines.append(",".join(cells))

    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(("\n".join(lines) + "\n").encode("ascii"))
    print(f"{OUTPUT}: {len(lines) - 1} rows")


if __name__ == "__main__":
    main()
