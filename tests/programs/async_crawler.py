"""An async actor that does many things at once, but not too many."""

import asyncio

import ray

ray.init(num_cpus=4)


@ray.remote
def fetch(page):
    return f"<{page}>"


@ray.remote
class Crawler:
    def __init__(self, limit):
        self.semaphore = asyncio.Semaphore(limit)
        self.now = self.most = 0

    async def crawl(self, page):
        async with self.semaphore:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.02)
            text = await fetch.remote(page)
            self.now -= 1
            return text

    async def most_at_once(self):
        return self.most


crawler = Crawler.remote(5)
pages = ray.get([crawler.crawl.remote(page) for page in range(20)])
print(len(pages), pages[0], pages[-1], ray.get(crawler.most_at_once.remote()))


async def main():
    return await asyncio.gather(*[crawler.crawl.remote(page) for page in range(3)])


print(asyncio.run(main()))
