"""Ask one question on Azure OpenAI: the address is the resource's, the model is the deployment's name.

    AZURE_OPENAI_ENDPOINT=https://NAME.openai.azure.com AZURE_OPENAI_API_KEY=... \\
    AZURE_OPENAI_DEPLOYMENT=gpt-realtime python examples/azure.py
"""

import asyncio
import os

from realtime import RealtimeClient


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
        client.send_user_message_content("Say hello.")
        while (item := await client.wait_for_next_completed_item(timeout=60)).role != "assistant":
            pass
        print(item.formatted.text or item.formatted.transcript)


if __name__ == "__main__":
    asyncio.run(main())
