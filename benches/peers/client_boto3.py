"""Links rows with boto3: 32 threads, each of which sends a row, waits for its answer and takes the next.

    client_boto3.py URL POOL FILE RETRY_MODE

Prints how many rows it takes for linked. A row whose error boto3 returns is lost.
"""

import csv
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

THREADS = 32


def main(url, pool, file, mode):
    retries = None if mode == "default" else {"mode": mode}
    config = Config(retries=retries, max_pool_connections=THREADS)
    cognito = boto3.client("cognito-idp", endpoint_url=url, config=config)

    def link(row):
        source = {
            "ProviderName": row["source_provider"],
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": row["source_value"],
        }
        user = {"ProviderName": "Cognito", "ProviderAttributeValue": row["destination_username"]}
        try:
            cognito.admin_link_provider_for_user(UserPoolId=pool, DestinationUser=user, SourceUser=source)
        except (BotoCoreError, ClientError):
            return False
        return True

    with open(file, encoding="utf-8") as rows, ThreadPoolExecutor(THREADS) as threads:
        print(sum(threads.map(link, csv.DictReader(rows))))


main(*sys.argv[1:])
