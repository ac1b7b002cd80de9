"""Every benchmark of the project: ratios taken in one run, since machines differ and are shared."""

import bench_chart
import bench_deploy
import bench_validate

if __name__ == "__main__":
    bench_chart.main()
    print()
    bench_validate.main()
    print()
    bench_deploy.main()
