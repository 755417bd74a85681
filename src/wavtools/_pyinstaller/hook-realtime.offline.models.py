"""Names the sounds that the offline server answers with without models.

Thread: PyInstaller's own process.
"""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("realtime.offline.models")
