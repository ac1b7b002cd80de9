"""The benchmarks of the project, all or those named: ratios taken in one run, since machines differ and are shared."""

import argparse

import bench_chart
import bench_deploy
import bench_validate

_PARTS = {
    "chart": bench_chart.main,
    "validate": bench_validate.main,
    "deploy": bench_deploy.few,
    "scale": bench_deploy.many,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(_PARTS)}; without any, all")
    chosen = parser.parse_args().parts or list(_PARTS)
    if unknown := sorted(set(chosen) - set(_PARTS)):
        parser.error(f"no such part: {', '.join(unknown)} (there are {', '.join(_PARTS)})")
    for number, part in enumerate(chosen):
        print(end="\n" if number else "")
        _PARTS[part]()
