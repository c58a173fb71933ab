"""A program for multiprocessing with the import changed."""

from ray.util.multiprocessing import Pool


def area(width, height=2):
    return width * height


def square(number):
    return number * number


with Pool(processes=2) as pool:
    print(pool.map(square, range(8)))
    print(pool.starmap(area, [(1, 2), (3, 4)]))
    print(list(pool.imap(square, range(5))))
    print(pool.apply(area, (5,), {"height": 3}))
    print(pool.map_async(square, [9]).get(timeout=30))
