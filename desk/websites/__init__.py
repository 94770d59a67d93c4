"""Knowledge from the web: addresses that are followed, crawled politely, and kept as documents.

`sites` is what people do with them, `crawling` the worker's part, and the rest what a crawl needs.
"""
