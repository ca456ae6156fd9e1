"""Links rows with aiobotocore, 32 at a time.

    client_aiobotocore.py URL POOL FILE

Prints how many rows it takes for linked. A row whose error aiobotocore returns is lost.
"""

import asyncio
import csv
import sys

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

IN_FLIGHT = 32


async def main(url, pool, file):
    linked = 0
    with open(file, encoding="utf-8") as lines:
        rows = iter(list(csv.DictReader(lines)))
    config = AioConfig(max_pool_connections=IN_FLIGHT)
    async with get_session().create_client("cognito-idp", endpoint_url=url, config=config) as cognito:

        async def work():
            nonlocal linked
            for row in rows:
                source = {
                    "ProviderName": row["source_provider"],
                    "ProviderAttributeName": "Cognito_Subject",
                    "ProviderAttributeValue": row["source_value"],
                }
                user = {"ProviderName": "Cognito", "ProviderAttributeValue": row["destination_username"]}
                try:
                    await cognito.admin_link_provider_for_user(UserPoolId=pool, DestinationUser=user, SourceUser=source)
                    linked += 1
                except (BotoCoreError, ClientError):
                    pass

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    print(linked)


asyncio.run(main(*sys.argv[1:]))
