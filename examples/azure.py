"""Ask one question on Azure OpenAI: the address is the resource's, the model is the deployment's name.

    AZURE_OPENAI_ENDPOINT=https://NAME.openai.azure.com AZURE_OPENAI_API_KEY=... \\
    AZURE_OPENAI_DEPLOYMENT=gpt-realtime python examples/azure.py
"""

import asyncio
import os
import sys

from realtime import RealtimeClient, RealtimeError


async def main() -> None:
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/")
    client = RealtimeClient(
        # The client adds /realtime. An address of the older preview works too; pass the whole of it.
        url=f"{endpoint}/openai/v1",
        api_key=os.environ["AZURE_OPENAI_API_KEY"],
        model=os.environ["AZURE_OPENAI_DEPLOYMENT"],
        modalities=["text"],
    )
    async with client:
        print(await client.ask("Say hello."))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except RealtimeError as error:
        sys.exit(f"no answer: {error}")
