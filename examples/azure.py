"""The same client on Azure OpenAI: the resource's address, and the name of the deployment as the model.

    AZURE_OPENAI_ENDPOINT=https://NAME.openai.azure.com AZURE_OPENAI_API_KEY=... \\
    AZURE_OPENAI_DEPLOYMENT=gpt-realtime python examples/azure.py
"""

import asyncio
import os

from realtime import RealtimeClient


async def main() -> None:
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/")
    client = RealtimeClient(
        url=f"{endpoint}/openai/v1",  # /realtime is added; the older preview addresses work as well, as they are
        api_key=os.environ["AZURE_OPENAI_API_KEY"],
        model=os.environ["AZURE_OPENAI_DEPLOYMENT"],
        modalities=["text"],
    )
    async with client:
        client.send_user_message_content("Say hello.")
        while (item := await client.wait_for_next_completed_item(timeout=60)).role != "assistant":
            pass
        print(item.formatted.text or item.formatted.transcript)


if __name__ == "__main__":
    asyncio.run(main())
